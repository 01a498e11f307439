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


def check(session: Session) -> Result:
    """By its Lease, where one may read that; else by whether it takes up what is changed."""
    try:
        lease = session.api.get(LEASE, _LEASE, _SYSTEM_NAMESPACE)
    except Forbidden:
        return _by_its_work(session)
    except NotFound:
        return Result(
            "bad",
            "operator",
            f"there is no Lease {_LEASE} in {_SYSTEM_NAMESPACE}: the operator never ran here",
        )
    renewed = time_of((lease.get("spec") or {}).get("renewTime"))
    if renewed is None or now() - renewed > _LEASE_AGE:
        return Result(
            "bad",
            "operator",
            f"its Lease was last renewed {span(now() - renewed) if renewed else 'never'} ago",
        )
    return Result("good", "operator", f"alive: its Lease was renewed {span(now() - renewed)} ago")


def _by_its_work(session: Session) -> Result:
    objects = [*session.api.list_all(FLAVOR), *session.api.list_all(DEVSERVER, session.namespace)]
    unseen = [obj for obj in objects if _is_unseen(obj)]
    if unseen:
        names = ", ".join(str(obj["metadata"]["name"]) for obj in unseen[:3])
        return Result(
            "bad", "operator", f"it has not taken up {names}: ask the administrator whether it runs"
        )
    seen = [obj for obj in objects if (obj.get("status") or {}).get("observedGeneration")]
    if not seen:
        return Result("unsure", "operator", "there is nothing yet by which to see whether it runs")
    return Result("good", "operator", "it has taken up everything (you may not read its Lease)")


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
