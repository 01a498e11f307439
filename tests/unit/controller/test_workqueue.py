"""The work queue, by examples and against a model."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.controller.workqueue import Lane, WorkQueue
from reconciler.kube.objects import Key
from tests.clock import Clock
from tests.metering import Growth, samples
from tests.patience import PATIENCE_S

A, B, C = (Key("DevServer", "dev-ada", name) for name in "abc")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock, retry_base_s=1.0, retry_cap_s=60.0)


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_a_worker_that_is_cancelled_as_a_change_comes_in_ends(queue: WorkQueue, steps: int) -> None:
    """Otherwise the process would go on after SIGTERM, whenever it had something to do just then."""
    queue.add_after(B, 7200.0)
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0.01)
    queue.add_after(A, 3600.0)
    for _ in range(steps):
        await asyncio.sleep(0)
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(worker, PATIENCE_S)


def due(queue: WorkQueue) -> list[Key]:
    """Take all that is due now."""
    taken = []
    while (key := queue.take_due()) is not None:
        taken.append(key)
    return taken


def test_keys_come_out_in_the_order_they_came_in(queue: WorkQueue) -> None:
    for key in (B, A, C):
        queue.add(key)
    assert due(queue) == [B, A, C]


def test_keys_that_a_user_waits_for_come_first(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    clock.now += 100
    queue.add(B)
    queue.add(C, urgent=True)
    assert due(queue) == [C, A, B]


def test_a_key_that_waits_becomes_urgent_when_it_is_added_so(queue: WorkQueue) -> None:
    for key in (A, B, C):
        queue.add(key)
    queue.add(C, urgent=True)
    queue.add(C)
    assert due(queue) == [C, A, B]


def test_a_key_in_flight_stays_urgent_until_its_next_turn(queue: WorkQueue) -> None:
    queue.add(C)
    due(queue)
    queue.add(C, urgent=True)
    queue.add(A)
    queue.done(C)
    assert due(queue) == [C, A]


def test_urgency_does_not_bring_a_key_forward_in_time(queue: WorkQueue) -> None:
    queue.add_after(A, 10, urgent=True)
    queue.add(B)
    assert due(queue) == [B]


def test_urgency_is_gone_after_the_turn(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A, urgent=True)
    due(queue)
    queue.done(A)
    queue.add(B)
    clock.now += 1
    queue.add(A)
    assert due(queue) == [B, A]


def test_the_lanes_do_not_wait_for_each_other(queue: WorkQueue) -> None:
    queue.add(A, Lane.RUN)
    queue.add(B)
    assert due(queue) == [B]
    assert queue.take_due(Lane.RUN) == A


def test_a_key_is_in_flight_in_one_lane_at_a_time(queue: WorkQueue) -> None:
    queue.add(A, Lane.RUN)
    assert queue.take_due(Lane.RUN) == A
    queue.add(A)
    assert due(queue) == []
    queue.done(A)
    assert due(queue) == [A]


def test_a_key_that_waits_for_a_run_may_be_looked_at_meanwhile(queue: WorkQueue) -> None:
    queue.add(A, Lane.RUN)
    queue.add(A)
    assert due(queue) == [A]
    assert queue.take_due(Lane.RUN) is None
    queue.done(A)
    assert queue.take_due(Lane.RUN) == A


def test_a_namespace_has_its_share_of_the_runs_and_no_more(clock: Clock) -> None:
    queue = WorkQueue(clock, retry_base_s=1.0, retry_cap_s=60.0, run_share=2)
    slow = [Key("DevServer", "slow", str(number)) for number in range(5)]
    for key in slow:
        queue.add(key, Lane.RUN)
    taken = [queue.take_due(Lane.RUN) for _ in range(3)]
    assert taken == [*slow[:2], None]
    clock.now += 1
    queue.add(A, Lane.RUN)
    queue.add(slow[4], Lane.RUN, urgent=True)
    assert queue.take_due(Lane.RUN) == A, "another namespace's goes though it came last"
    assert queue.take_due(Lane.RUN) is None
    for key in slow:
        queue.add(key)
    assert due(queue) == slow[2:], "the other lane knows no shares"
    for key in slow[2:]:
        queue.done(key)

    rest = []
    for key in slow[:2]:
        queue.done(key)
        rest.append(queue.take_due(Lane.RUN))
    queue.done(slow[4])
    assert rest == [slow[4], slow[2]], "the urgent one first"
    assert queue.take_due(Lane.RUN) == slow[3]


def test_a_key_waits_once_however_often_it_is_added(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.add(A)
    assert len(queue) == 1
    assert due(queue) == [A]


def test_a_key_in_flight_is_not_given_out_again(queue: WorkQueue) -> None:
    queue.add(A)
    assert due(queue) == [A]
    queue.add(A)
    assert due(queue) == []


def test_a_key_that_was_added_while_in_flight_waits_again_when_it_is_done(queue: WorkQueue) -> None:
    queue.add(A)
    due(queue)
    queue.add(A)
    queue.done(A)
    assert due(queue) == [A]


def test_a_key_that_is_done_does_not_come_back_by_itself(queue: WorkQueue) -> None:
    queue.add(A)
    due(queue)
    queue.done(A)
    assert due(queue) == []
    assert len(queue) == 0


@pytest.mark.parametrize("delays", [(30.0, 10.0), (10.0, 30.0)])
def test_the_earliest_of_several_times_holds(
    queue: WorkQueue, clock: Clock, delays: tuple[float, float]
) -> None:
    for delay_s in delays:
        queue.add_after(A, delay_s)
    clock.now += 9.9
    assert due(queue) == []
    clock.now += 0.1
    assert due(queue) == [A]
    queue.done(A)
    clock.now += 60
    assert due(queue) == [], "the later time is not a second turn"


def test_the_earliest_time_holds_for_a_key_in_flight_too(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    due(queue)
    queue.add_after(A, 30)
    queue.add_after(A, 5)
    queue.done(A)
    clock.now += 5
    assert due(queue) == [A]


def test_a_timer_that_was_overtaken_does_not_give_out_a_key_in_flight(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 10)
    queue.add(A)
    assert due(queue) == [A]
    queue.add_after(A, 10)
    clock.now += 10
    assert due(queue) == []
    queue.done(A)
    assert due(queue) == [A]


def test_delays_double_up_to_the_cap_and_jitter_only_shortens_them(queue: WorkQueue) -> None:
    longest = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    delays = [queue.retry(A) for _ in longest]
    for delay_s, longest_s in zip(delays, longest, strict=True):
        assert 0.8 * longest_s <= delay_s <= longest_s


def test_jitter_keeps_resources_that_failed_together_apart(queue: WorkQueue) -> None:
    assert len({queue.retry(Key("DevServer", "", str(number))) for number in range(50)}) == 50


def test_a_thousand_failures_overflow_nothing(queue: WorkQueue) -> None:
    assert max(queue.retry(A) for _ in range(2000)) <= 60.0


def test_a_success_makes_the_next_failure_the_first(queue: WorkQueue) -> None:
    for _ in range(6):
        queue.retry(A)
    queue.forget(A)
    assert queue.retry(A) <= 1.0
    queue.forget(B)


def test_a_retry_is_due_after_its_delay(queue: WorkQueue, clock: Clock) -> None:
    delay_s = queue.retry(A)
    clock.now += delay_s * 0.99
    assert due(queue) == []
    clock.now += delay_s * 0.01 + 1e-6
    assert due(queue) == [A]


async def test_get_waits_until_something_is_added(queue: WorkQueue) -> None:
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not getting.done()
    queue.add(A)
    assert await asyncio.wait_for(getting, PATIENCE_S) == A


async def test_get_waits_for_a_time_without_polling() -> None:
    """A queue that polls would read the clock again and again."""
    loop = asyncio.get_running_loop()
    readings = 0

    def counted() -> float:
        nonlocal readings
        readings += 1
        return loop.time()

    queue = WorkQueue(counted, retry_base_s=1.0, retry_cap_s=60.0)
    began = loop.time()
    queue.add_after(A, 0.2)
    assert await asyncio.wait_for(queue.get(), PATIENCE_S) == A
    assert loop.time() - began >= 0.2
    assert readings < 10


async def test_an_earlier_time_wakes_who_waits_for_a_later_one() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time, retry_base_s=1.0, retry_cap_s=60.0)
    queue.add_after(A, 3600)
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(B)
    assert await asyncio.wait_for(getting, PATIENCE_S) == B


async def test_workers_share_the_keys_and_none_is_given_out_twice() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time, retry_base_s=1.0, retry_cap_s=60.0)
    keys = [Key("DevServer", "", str(number)) for number in range(20)]
    for key in keys:
        queue.add(key)

    async def work() -> list[Key]:
        taken = []
        for _ in range(5):
            taken.append(await queue.get())
            await asyncio.sleep(0)
            queue.done(taken[-1])
        return taken

    taken = await asyncio.wait_for(asyncio.gather(*(work() for _ in range(4))), PATIENCE_S)
    assert sorted(key for some in taken for key in some) == sorted(keys)


async def test_a_cancelled_get_loses_no_key(queue: WorkQueue) -> None:
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    getting.cancel()
    await asyncio.wait({getting})
    queue.add(A)
    assert await asyncio.wait_for(queue.get(), PATIENCE_S) == A


def test_what_failed_can_be_hurried_without_forgetting_that_it_failed(queue: WorkQueue) -> None:
    first_s = queue.retry(A)
    assert due(queue) == []
    queue.hurry()
    assert due(queue) == [A]
    queue.done(A)
    assert queue.retry(A) > first_s


class QueueMachine(RuleBasedStateMachine):
    """Against a model: when each key is due, and which are in flight."""

    KEYS = st.sampled_from([A, B, C])

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = WorkQueue(self.clock, retry_base_s=1.0, retry_cap_s=8.0)
        self.due: dict[Key, tuple[float, bool]] = {}
        self.in_flight: set[Key] = set()

    @rule(key=KEYS, delay_s=st.integers(0, 20), urgent=st.booleans())
    def add(self, key: Key, delay_s: int, urgent: bool) -> None:
        self.queue.add_after(key, delay_s, urgent=urgent)
        self._model_add(key, delay_s, urgent)

    @rule(key=KEYS)
    def retry(self, key: Key) -> None:
        delay_s = self.queue.retry(key)
        assert 0 < delay_s <= 8.0
        self._model_add(key, delay_s)

    @rule(seconds=st.integers(1, 10))
    def pass_time(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def take(self) -> None:
        key = self.queue.take_due()
        ready = {name for name, (when, _) in self.due.items() if when <= self.clock.now} - self.in_flight
        if key is None:
            assert not ready
            return
        assert key in ready
        when, urgent = self.due[key]
        assert (not urgent, when) == min((not self.due[name][1], self.due[name][0]) for name in ready), (
            "the urgent ones come first, and of each sort the one that is due longest"
        )
        del self.due[key]
        self.in_flight.add(key)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_flight)))
        self.queue.done(key)
        self.in_flight.remove(key)

    @invariant()
    def same_length(self) -> None:
        assert len(self.queue) == len(self.due)

    def _model_add(self, key: Key, delay_s: float, urgent: bool = False) -> None:
        when, was_urgent = self.due.get(key, (float("inf"), False))
        self.due[key] = min(when, self.clock.now + delay_s), was_urgent or urgent


class ShareMachine(RuleBasedStateMachine):
    """The RUN lane of two namespaces with a share each: none has more, and no key is forgotten."""

    KEYS = st.sampled_from([Key("DevServer", space, name) for space in "xy" for name in "abc"])
    SHARE = 2

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = WorkQueue(self.clock, 1.0, 8.0, run_share=self.SHARE)
        self.waiting: set[Key] = set()
        self.running: set[Key] = set()
        self.looking: set[Key] = set()

    @rule(key=KEYS, urgent=st.booleans())
    def add(self, key: Key, urgent: bool) -> None:
        self.clock.now += 1
        self.queue.add(key, Lane.RUN, urgent=urgent)
        self.waiting.add(key)

    @rule()
    def take(self) -> None:
        key = self.queue.take_due(Lane.RUN)
        may_go = {
            item
            for item in self.waiting - self.running - self.looking
            if sum(other.namespace == item.namespace for other in self.running) < self.SHARE
        }
        assert (key in may_go) if may_go else key is None
        if key is not None:
            self.waiting.remove(key)
            self.running.add(key)

    @rule(key=KEYS)
    def look(self, key: Key) -> None:
        self.queue.add(key)
        while (found := self.queue.take_due()) is not None:
            self.looking.add(found)

    @precondition(lambda self: self.running | self.looking)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running | self.looking)))
        self.queue.done(key)
        self.running.discard(key)
        self.looking.discard(key)


TestShares = ShareMachine.TestCase
TestAgainstModel = QueueMachine.TestCase


def test_a_key_counts_as_waiting_when_it_is_due_and_as_work_until_it_is_done(
    queue: WorkQueue, clock: Clock
) -> None:
    def read(name: str) -> float:
        return samples(queue.meter.collect())[name, (("name", "devserver"),)]

    queue.add(A)
    queue.add(B, Lane.RUN)
    queue.add_after(C, 3600.0)
    assert (read("workqueue_depth"), read("workqueue_adds_total")) == (2, 2)
    assert queue.take_due() == A
    clock.now += 7
    queue.add(A)
    assert (read("workqueue_depth"), read("workqueue_adds_total")) == (2, 3)
    assert read("workqueue_longest_running_processor_seconds") == 7
    queue.done(A)
    assert read("workqueue_longest_running_processor_seconds") == 0
    clock.now += 3600
    assert (read("workqueue_depth"), read("workqueue_adds_total")) == (3, 4)


def test_every_retry_is_counted(queue: WorkQueue) -> None:
    growth = Growth()
    for _ in range(3):
        queue.retry(A)
    assert growth("workqueue_retries_total", name="devserver") == 3
