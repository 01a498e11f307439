"""Pods that the API server refused to create for their StatefulSet, because of a quota or a policy.

The StatefulSet's controller reports it in Events only, and tries again with delays that grow to a quarter of an hour.
So these Events are watched, and when the quota has room again the controller is made to try at once.
"""

from dataclasses import dataclass, replace

from reconciler.controller.quotas import stopped_by_quota
from reconciler.kinds.devserver.pod import events as pod_events
from reconciler.kube.objects import Object
from reconciler.status import reasons

# The field selector of the Events that report it.
EVENT_SELECTOR = pod_events.selector("FailedCreate", "StatefulSet")
# What stands before the API server's message, see recordPodEvent in
# https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/statefulset/stateful_pod_control.go
_PREFIX_END = " failed error: "
# Pod Security admission, in a namespace that enforces this level. (The pods of every flavor pass the level baseline.)
_RESTRICTED = 'violates PodSecurity "restricted:'


@dataclass(frozen=True)
class Refusal:
    """The last refusal of a pod of a StatefulSet.

    uid: of the StatefulSet. since: RFC 3339 time of the first refusal; empty if unknown. unblocked: the quota that
    caused it has room again.
    """

    uid: str
    message: str
    since: str = ""
    unblocked: bool = False

    @property
    def reason(self) -> str:
        """For the Ready condition."""
        return reasons.QUOTA_EXCEEDED if "exceeded quota: " in self.message else reasons.POD_REFUSED

    def unblocked_by(self, quota: str) -> "Refusal":
        """The refusal, now that the quota of that name has more room."""
        return replace(self, unblocked=self.unblocked or stopped_by_quota(self.message, quota))


def refusal(event: Object) -> tuple[tuple[str, str], Refusal]:
    """Namespace and name of the StatefulSet that a reduced Event is about, and the refusal that it reports."""
    about = event["involvedObject"]
    # "create Pod box-0 in StatefulSet box failed error: pods ... is forbidden: ..."
    _, _, why = event["message"].rpartition(_PREFIX_END)
    if _RESTRICTED in why:
        why = f"this namespace needs a flavor whose spec.securityProfile is restricted: {why}"
    return (about["namespace"], about["name"]), Refusal(about.get("uid", ""), why, event["first"])
