"""The election: who leads, for how long, and how it ends. Clocks are arguments."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from crds.resources import LEASE, Resource
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Object
from reconciler.leaderelection.leader import Leader
from reconciler.leaderelection.lease import LEASE_NAME, LeaseLostError, LeaseTimes, holder_of
from tests.fake_client import FakeClient
from tests.patience import PATIENCE_S, generous

TIMES = LeaseTimes(duration_s=15, renew_deadline_s=10.0, retry_s=1.0)
# Who looks by himself only after longer than a test waits.
SELDOM = LeaseTimes(duration_s=1500, renew_deadline_s=1000.0, retry_s=500.0)


@dataclass
class Bench:
    """Two candidates for one Lease, by one clock that the test sets."""

    client: FakeClient = field(default_factory=FakeClient)
    now_s: float = 1000.0
    renewals: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.one, self.other = self.candidate("one"), self.candidate("other")

    def candidate(self, identity: str, times: LeaseTimes = TIMES) -> Leader:
        client = cast(Client, self.client)
        return Leader(client, "system", identity, times, self.renewals.append, lambda: self.now_s)

    async def look(self, *candidates: Leader, after_s: float = 0.0) -> None:
        """Let some time pass, then let each look at the Lease once."""
        self.now_s += after_s
        for candidate in candidates:
            await candidate.look()

    @property
    def lease(self) -> Object:
        found = self.client.find(LEASE, "system", LEASE_NAME)
        assert found is not None
        return found

    @property
    def holder(self) -> str:
        return holder_of(self.lease)


def leads(candidate: Leader) -> bool:
    return candidate.elected.is_set()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_first_leads_and_the_second_waits(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    assert (leads(bench.one), leads(bench.other)) == (True, False)
    assert holder_of(bench.one.lease) == "one"


async def test_a_leader_that_renews_is_never_overtaken(bench: Bench) -> None:
    for _ in range(40):
        await bench.look(bench.one, bench.other, after_s=1.0)
    assert (bench.holder, leads(bench.other)) == ("one", False)
    assert bench.lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_is_silent_is_followed_when_its_lease_has_run_out(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    await bench.look(bench.other, after_s=14.9)
    assert not leads(bench.other)
    await bench.look(bench.other, after_s=0.1)
    assert leads(bench.other)
    assert bench.other.lease["spec"]["leaseTransitions"] == 2


async def test_a_candidate_counts_from_when_it_saw_the_lease_itself(bench: Bench) -> None:
    await bench.look(bench.one)
    await bench.look(bench.other, after_s=3600.0)
    assert not leads(bench.other), "what the Lease says of the time is by another's clock"


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
async def test_a_clock_that_is_set_gives_the_lease_to_nobody(
    bench: Bench, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = time.time

    class ClockSetter(FakeClient):
        """The clock is set while a request is under way."""

        sets_clock = False

        async def get(self, *args: Any) -> Object | None:
            # The library's elector reads this clock, and takes none as an argument.
            if self.sets_clock:
                monkeypatch.setattr(time, "time", lambda: wall() + step_s)
            return await super().get(*args)

    client = ClockSetter(bench.client.objects)
    other = Leader(cast(Client, client), "system", "other", TIMES, bench.renewals.append, lambda: bench.now_s)
    await bench.look(bench.one, other)
    client.sets_clock = True
    await bench.look(other, after_s=1.0)
    assert (bench.holder, leads(other)) == ("one", False)


async def test_a_process_of_the_same_name_takes_its_lease_back_at_once_and_in_the_same_term(
    bench: Bench,
) -> None:
    await bench.look(bench.one)
    successor = bench.candidate("one")
    await bench.look(successor)
    assert leads(successor)
    assert successor.lease["spec"]["leaseTransitions"] == bench.one.lease["spec"]["leaseTransitions"]
    assert successor.lease["metadata"]["uid"] == bench.one.lease["metadata"]["uid"]


async def test_a_lease_that_was_given_back_is_taken_at_once(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    await bench.one.release()
    await bench.look(bench.other, after_s=1.0)
    assert leads(bench.other)
    assert bench.other.lease["spec"]["leaseTransitions"] == 2


async def test_who_stands_by_looks_at_once_when_the_lease_was_changed(bench: Bench) -> None:
    other = bench.candidate("other", SELDOM)
    await bench.look(bench.one, other)
    standing_by = asyncio.create_task(other.run())
    await asyncio.sleep(0)
    await bench.one.release()
    other.lease_changed()
    await asyncio.wait_for(other.elected.wait(), PATIENCE_S)
    standing_by.cancel()


async def test_who_stands_by_looks_again_in_the_moment_in_which_the_lease_runs_out(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    assert bench.one.pause_s == TIMES.retry_s
    assert bench.other.pause_s == TIMES.retry_s
    await bench.look(bench.other, after_s=14.5)
    assert bench.other.pause_s == pytest.approx(0.5)


async def test_who_does_not_lead_gives_nothing_back(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    await bench.other.release()
    assert bench.holder == "one"


async def test_a_lease_deleted_under_its_holder_is_taken_by_no_other_at_once(bench: Bench) -> None:
    await bench.look(bench.one, bench.other)
    bench.client.objects.clear()
    await bench.look(bench.other, bench.one, after_s=1.0)
    assert (bench.holder, leads(bench.other)) == ("one", False)


async def test_the_leader_ends_when_another_has_the_lease(bench: Bench) -> None:
    await bench.look(bench.one)
    bench.lease["spec"]["holderIdentity"] = "somebody"
    bench.lease["metadata"]["resourceVersion"] = "999"
    with pytest.raises(LeaseLostError, match="somebody has the Lease"):
        await bench.look(bench.one, after_s=1.0)


def unreachable(client: FakeClient) -> None:
    def note(verb: str, resource: Resource, name: str) -> None:
        raise ApiError(0, "Unreachable", "no route")

    client.note = note  # type: ignore[method-assign]


async def test_the_leader_ends_when_it_cannot_renew_in_time(bench: Bench) -> None:
    await bench.look(bench.one)
    unreachable(bench.client)
    await bench.look(bench.one, after_s=9.9)
    with pytest.raises(LeaseLostError, match="could not be renewed in time"):
        await bench.look(bench.one, after_s=0.1)


async def test_a_candidate_outlives_an_outage(bench: Bench) -> None:
    unreachable(bench.client)
    await bench.look(bench.one, after_s=100.0)
    assert not leads(bench.one)


async def test_a_request_that_is_never_answered_ends_a_look_in_time() -> None:
    bench = Bench()
    times = LeaseTimes(duration_s=15, renew_deadline_s=4.0, retry_s=1.0)
    candidate = Leader(cast(Client, bench.client), "system", "one", times, bench.renewals.append)
    bench.client.get = _never  # type: ignore[method-assign]
    started = time.monotonic()
    await bench.look(candidate)
    assert time.monotonic() - started < generous(2)
    assert not leads(candidate)


async def _never(*args: Any) -> Object | None:
    return await asyncio.Future()


async def test_the_time_to_act_counts_from_the_start_of_a_renewal(bench: Bench) -> None:
    replace: Callable[..., Any] = bench.client.replace
    await bench.look(bench.one)

    async def slow(*args: Any) -> Object:
        bench.now_s += 2.0
        return cast(Object, await replace(*args))

    bench.client.replace = slow  # type: ignore[method-assign]
    await bench.look(bench.one, after_s=1.0)
    assert bench.renewals == [1010.0, 1011.0]


# --- the fence


async def test_who_does_not_lead_may_read_and_not_write(bench: Bench) -> None:
    bench.one.fence("GET")
    with pytest.raises(LeaseLostError, match="only the leader writes"):
        bench.one.fence("PATCH")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_request_of_the_leader_begins_after_its_time(bench: Bench, method: str) -> None:
    await bench.look(bench.one)
    bench.now_s += 9.9
    bench.one.fence(method)
    bench.now_s += 0.1
    with pytest.raises(LeaseLostError, match="was not renewed in time"):
        bench.one.fence(method)
