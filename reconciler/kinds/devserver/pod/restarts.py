"""When the pod restarts, and the requests that restart it. No other module of the kinds sends requests."""

from dataclasses import dataclass
from datetime import UTC, datetime

from crds.resources import POD, STATEFUL_SET
from crds.times import format_time
from reconciler.kinds.devserver.pod.refusals import Refusal
from reconciler.kube.client import Client
from reconciler.kube.objects import Object, annotations, is_deleting, labels
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState
from stacks.metadata import RESTART_DIGEST_ANNOTATION, Owner

# The time at which a quota had room again. Any change of the StatefulSet makes its controller look at it at once.
QUOTA_ANNOTATION = "devserver.io/quota-gave-way"


@dataclass(frozen=True)
class Restart:
    """The pod differs from its template. due: restart it now; otherwise its next restart applies the change."""

    due: bool
    message: str


def pending_restart(stateful_set: Object | None, pod: Object | None, update_policy: str) -> Restart | None:
    """The restart that the pod needs; None if it is up to date.

    A change that the user made (another restart digest) is due at once. Any other change waits, unless the update
    policy is Now.
    """
    if stateful_set is None or pod is None or is_deleting(pod):
        return None
    status = stateful_set.get("status", {})
    if status.get("observedGeneration") != stateful_set["metadata"]["generation"]:
        return None
    if labels(pod).get("controller-revision-hash") in (None, status.get("updateRevision")):
        return None
    template = stateful_set["spec"]["template"]["metadata"].get("annotations", {})
    if annotations(pod).get(RESTART_DIGEST_ANNOTATION) != template.get(RESTART_DIGEST_ANNOTATION):
        return Restart(True, "The spec changed.")
    if update_policy == "Now":
        return Restart(True, "The flavor or the operator changed and spec.updatePolicy is Now.")
    return Restart(False, "The flavor or the operator changed; the next restart of the pod applies it.")


def restart_pending(restart: Restart | None) -> ConditionState | None:
    """The condition RestartPending; None if nothing waits for the next restart."""
    if restart is None or restart.due:
        return None
    return ConditionState(reasons.RESTART_PENDING, "True", "TemplateChanged", restart.message)


async def restart(client: Client, pod: Object) -> None:
    """Delete the pod. Its StatefulSet creates it again from the present template."""
    meta = pod["metadata"]
    await client.delete(POD, meta["namespace"], meta["name"], meta["uid"])


async def hasten(client: Client, refusals: dict[tuple[str, str], Refusal], owner: Owner) -> None:
    """Make the StatefulSet's controller create a pod at once that no quota stops any more.

    By itself the controller would wait for up to a quarter of an hour.
    """
    name = owner.namespace, owner.name
    refusal = refusals.get(name)
    if refusal is None or not refusal.unblocked:
        return
    del refusals[name]
    note = {QUOTA_ANNOTATION: format_time(datetime.now(UTC))}
    await client.patch(STATEFUL_SET, *name, {"metadata": {"annotations": note}})
