"""Whether the operator is alive."""

from datetime import timedelta

from crds.resources import DEVSERVER, FLAVOR, LEASE
from devctl.doctor.results import Result
from devctl.errors import Forbidden, NotFound
from devctl.objects import Object
from devctl.session import Session
from devctl.times import now, span, time_of

# Of the operator as deploy/ installs it.
_SYSTEM_NAMESPACE, _LEASE = "devserver-system", "devserver-reconciler"
# The leader renews its Lease each second; others take it after 15.
_LEASE_AGE = timedelta(seconds=30)
# A change that the operator has not taken up for so long says that it is away.
_UNSEEN_AGE = timedelta(minutes=1)
_ASK = "Ask the administrator whether it runs."


def check(session: Session) -> Result:
    """By its Lease, where the user may read it; else by whether it handles changes."""
    try:
        lease = session.api.get(LEASE, _LEASE, _SYSTEM_NAMESPACE)
    except Forbidden:
        return _by_its_work(session)
    except NotFound:
        return Result(
            "bad",
            "operator",
            f"There is no Lease {_LEASE} in {_SYSTEM_NAMESPACE}. The operator has never run here.",
        )
    renewed = time_of((lease.get("spec") or {}).get("renewTime"))
    if renewed is None:
        return Result("bad", "operator", f"The operator has never renewed its Lease. {_ASK}")
    age = now() - renewed
    if age > _LEASE_AGE:
        return Result("bad", "operator", f"The operator last renewed its Lease {span(age)} ago. {_ASK}")
    return Result("good", "operator", f"The operator is alive. It renewed its Lease {span(age)} ago.")


def _by_its_work(session: Session) -> Result:
    objects = [*session.api.list_all(FLAVOR), *session.api.list_all(DEVSERVER, session.namespace)]
    unseen = [obj for obj in objects if _is_unseen(obj)]
    if unseen:
        names = ", ".join(str(obj["metadata"]["name"]) for obj in unseen[:3])
        return Result("bad", "operator", f"The operator has not handled {names}. {_ASK}")
    seen = [obj for obj in objects if (obj.get("status") or {}).get("observedGeneration")]
    if not seen:
        return Result("unsure", "operator", "There is nothing yet that shows whether the operator runs.")
    return Result("good", "operator", "The operator has handled every change (you cannot read its Lease).")


def _is_unseen(obj: Object) -> bool:
    meta = obj["metadata"]
    if (obj.get("status") or {}).get("observedGeneration") == meta.get("generation"):
        return False
    # Of when the spec was written last; without that, of the creation.
    times = [
        time_of(entry.get("time"))
        for entry in meta.get("managedFields") or []
        if not entry.get("subresource")
    ]
    written = max((time for time in times if time), default=time_of(meta.get("creationTimestamp")))
    return written is not None and now() - written > _UNSEEN_AGE
