"""Leader election: of several reconcilers one works, the one that holds a Lease.

The steps are those of the client library's elector. But that goes by the wall clock, waits for answers without end
and counts no transitions. So all of that is decided by the lock that the elector asks: it shows the elector either a
Lease that is free, or one that somebody holds at this moment.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

import structlog
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from crds.resources import LEASE
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Key, Object
from reconciler.kube.watch import WatchSpec
from reconciler.leaderelection.lease import (
    LEASE_NAME,
    LeaseLostError,
    LeaseTimes,
    Sighting,
    clock_s,
    holder_of,
    is_free,
    released,
    runs_out_s,
    sighted,
    taken,
)

_RELEASE_TRIES = 3
_SHORTEST_PAUSE_S = 0.1
_log = structlog.get_logger()
_T = TypeVar("_T")
# The library logs each refused step as an error. What matters is logged here.
logging.getLogger("kubernetes.aio.leaderelection").setLevel(logging.CRITICAL)


class Leader:
    """This process as a candidate, later as the leader.

    client: for the Lease only, so that its requests wait for no others.
    renewed: called after each renewal with the time until which this process may act, by lease.clock_s.
    elected: set once this process leads.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        identity: str,
        times: LeaseTimes,
        renewed: Callable[[float], None],
        clock: Callable[[], float] = clock_s,
    ) -> None:
        self.elected = asyncio.Event()
        self._times = times
        self._renewed = renewed
        self._clock = clock
        self._until_s = 0.0
        self._held: Object | None = None
        self._changed = asyncio.Event()
        self._lock = _Lock(client, namespace, identity, times, clock)
        self._elector = LeaderElection(
            Config(self._lock, times.duration_s, times.renew_deadline_s, times.retry_s, _nothing, _nothing)
        )

    @property
    def lease(self) -> Object:
        """The Lease as this process last took or renewed it. Only the leader has one."""
        assert self._held is not None
        return self._held

    async def run(self) -> NoReturn:
        """Stand for election, then renew, until cancelled. Raises LeaseLostError when the Lease cannot be kept."""
        while True:
            self._changed.clear()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause_s):
                    await self._changed.wait()

    async def look(self) -> None:
        """Take or renew the Lease if that may be done now. Raises LeaseLostError."""
        started_s = self._clock()
        if await self._elector.try_acquire_or_renew():
            self._held = self._lock.lease
            # It counts from the start of the request, as the answer may have taken long.
            self._until_s = started_s + self._times.renew_deadline_s
            self._renewed(self._until_s)
            self.elected.set()
        elif self.elected.is_set():
            self._give_up_if_lost()

    @property
    def pause_s(self) -> float:
        """Seconds until the next look: at most until a Lease that another holds would run out."""
        left_s = self._lock.runs_out_s - self._clock()
        return min(self._times.retry_s, max(left_s, _SHORTEST_PAUSE_S))

    def watch_spec(self) -> WatchSpec:
        """What is to be watched to learn of a change of the Lease at once."""

        def handler(old: Object | None, new: Object | None) -> tuple[Key, ...]:
            self.lease_changed()
            return ()

        fields = f"metadata.name={LEASE_NAME}"
        return WatchSpec(LEASE, (handler,), fields=fields, namespace=self._lock.namespace, name="lease")

    def lease_changed(self) -> None:
        """Have a candidate look at the Lease at once, as it may have been given back."""
        if not self.elected.is_set():
            self._changed.set()

    def fence(self, method: str) -> None:
        """Check that a request of this process may begin. Raises LeaseLostError if not.

        A candidate may read. The leader may read and write until the Lease runs out.
        """
        if not self.elected.is_set():
            if method != "GET":
                raise LeaseLostError("only the leader writes")
        elif self._clock() >= self._until_s:
            raise LeaseLostError("the Lease was not renewed in time")

    async def release(self) -> None:
        """Give the Lease back, so that another can take it at once. Call it only when all work has ended."""
        if self.elected.is_set() and self._clock() < self._until_s:
            await self._lock.release()
            _log.info("Lease given back")

    def _give_up_if_lost(self) -> None:
        if self._lock.other_holder:
            raise LeaseLostError(f"{self._lock.other_holder} has the Lease")
        if self._clock() >= self._until_s:
            raise LeaseLostError("the Lease could not be renewed in time")


async def _nothing() -> None:
    """A callback for the elector's own loop. That is not used, as it cannot be cancelled."""


class _Lock(BaseLock):
    """The Lease, as the elector asks for it.

    lease: as the API server answered last. other_holder: who else holds it, empty if nobody.
    runs_out_s: until when the other holds it, by our clock.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        identity: str,
        times: LeaseTimes,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(LEASE_NAME, namespace, identity)
        self.lease: Object | None = None
        self.other_holder = ""
        self.runs_out_s = math.inf
        self._client = client
        self._times = times
        self._clock = clock
        self._seen: Sighting | None = None

    async def get(
        self, name: str, namespace: str
    ) -> tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]:
        """Whether the Lease exists; and a record if somebody else holds it, None if it may be taken."""
        try:
            lease = await self._call(self._client.get(LEASE, namespace, name))
        except ApiError as error:
            _log.warning("the Lease cannot be read", error=str(error))
            return False, ApiException(reason=str(error))
        now_s = self._clock()
        self._seen = sighted(self._seen, lease, now_s)
        self.other_holder, self.runs_out_s = "", math.inf
        if self._seen is not None and not is_free(self._seen, self.identity, now_s, self._times):
            self.other_holder = holder_of(self._seen.lease)
            self.runs_out_s = runs_out_s(self._seen, self._times)
            # A record with a new time at each look never runs out by the elector's clock.
            stamp = str(now_s)
            return True, LeaderElectionRecord(self.other_holder, str(self._times.duration_s), stamp, stamp)
        self.lease = lease
        if lease is None:
            missing = ApiException(status=404)
            missing.body = '{"code": 404}'
            return False, missing
        return True, None

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease, held by us; False if somebody was faster."""
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": self._taken(None),
        }
        return await self._write(self._client.create(LEASE, body))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Take or renew the Lease that get() showed to be free; False if it has changed since."""
        # If the wall clock was set, the elector may believe that a Lease of another has run out.
        if self.other_holder or self.lease is None:
            return False
        return await self._write(self._client.replace(LEASE, {**self.lease, "spec": self._taken(self.lease)}))

    async def release(self) -> None:
        """Remove our name from the Lease."""
        for _ in range(_RELEASE_TRIES):
            try:
                lease = await self._call(self._client.get(LEASE, self.namespace, self.name))
                if lease is not None and holder_of(lease) == self.identity:
                    await self._call(self._client.replace(LEASE, released(lease)))
            except ApiError as error:
                # It may have been changed by a renewal that was still under way.
                _log.warning("the Lease cannot be given back", error=str(error))
            else:
                return

    def _taken(self, lease: Object | None) -> Object:
        return taken(lease, self.identity, self._times, datetime.now(UTC))

    async def _write(self, request: Awaitable[Object]) -> bool:
        try:
            self.lease = await self._call(request)
        except ApiError as error:
            _log.warning("the Lease cannot be written", error=str(error))
            return False
        return True

    async def _call(self, request: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout(self._times.call_deadline_s):
                return await request
        except TimeoutError:
            raise ApiError(0, "Unreachable", "no answer in time") from None
