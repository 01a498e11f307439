"""Pods that the API server refused to their StatefulSet, for a quota or a policy.

The StatefulSet's controller tells of it in Events only, and tries again with delays that grow to a quarter of an
hour. So these Events are watched, and where a quota gave way the controller is made to try at once.
"""

from dataclasses import dataclass, replace

from reconciler.controller.retries import stopped_by_quota
from reconciler.kinds.devserver.pod import events as pod_events
from reconciler.kube.client import Object
from reconciler.status import reasons

# Which Events tell of it, as a field selector.
FIELDS = pod_events.selector("FailedCreate", "StatefulSet")
_MARK = " failed error: "
# Of Pod Security admission in a namespace that enforces that level. The pods of no flavor break baseline.
_RESTRICTED = 'violates PodSecurity "restricted:'


@dataclass(frozen=True)
class Refusal:
    """The last one of a StatefulSet, of that uid. since: when it was first told. relieved: its cause is gone."""

    uid: str
    message: str
    since: str = ""
    relieved: bool = False

    @property
    def reason(self) -> str:
        """For the Ready condition."""
        return reasons.QUOTA_EXCEEDED if "exceeded quota: " in self.message else reasons.POD_REFUSED

    def relieved_by(self, quota: str) -> "Refusal":
        """The refusal after that quota gave way."""
        return replace(self, relieved=self.relieved or stopped_by_quota(self.message, quota))


def refusal(event: Object) -> tuple[tuple[str, str], Refusal]:
    """The StatefulSet, by namespace and name, and what was refused to it. event: in its essence."""
    about = event["involvedObject"]
    # "create Pod box-0 in StatefulSet box failed error: pods ... is forbidden: ..."
    _, _, why = event["message"].rpartition(_MARK)
    if _RESTRICTED in why:
        why = f"this namespace needs a flavor whose spec.securityProfile is restricted: {why}"
    return (about["namespace"], about["name"]), Refusal(about.get("uid", ""), why, event["first"])
