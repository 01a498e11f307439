"""What the metrics say of the queue."""

import pytest

from reconciler.controller import metrics
from reconciler.controller.queue_meter import QueueMeter
from tests.clock import Clock
from tests.metering import Growth, samples


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    """The kinds have label values of their own, as in the running reconciler."""
    metrics.register_kinds(("DevServer", "DevServerFlavor", "DevServerUser"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read(meter: QueueMeter, name: str, queue: str = "devserver") -> float:
    return samples(meter.collect())[name, (("name", queue),)]


def test_a_key_counts_as_waiting_then_as_work_and_once_as_an_add(clock: Clock) -> None:
    due = ["DevServer", "DevServer", "DevServerUser"]
    meter, growth = QueueMeter(clock, lambda: due), Growth()
    assert (read(meter, "workqueue_depth"), read(meter, "workqueue_adds_total")) == (2, 2)

    clock.now += 3
    due.remove("DevServer")
    meter.taken("a", "DevServer", due_at=1000.0)
    assert (read(meter, "workqueue_depth"), read(meter, "workqueue_adds_total")) == (1, 2)
    assert growth("workqueue_queue_duration_seconds_sum", name="devserver") == 3

    clock.now += 5
    due.remove("DevServer")
    meter.taken("b", "DevServer", due_at=1008.0)
    clock.now += 2
    assert read(meter, "workqueue_unfinished_work_seconds") == 7 + 2
    assert read(meter, "workqueue_longest_running_processor_seconds") == 7 == meter.longest_s()

    meter.done("a")
    meter.done("b")
    assert read(meter, "workqueue_unfinished_work_seconds") == 0 == meter.longest_s()
    assert read(meter, "workqueue_adds_total") == 2
    assert growth("workqueue_work_duration_seconds_sum", name="devserver") == 9
    assert read(meter, "workqueue_depth", "devserveruser") == 1
