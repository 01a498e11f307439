"""Passes are counted and timed."""

import pytest

from reconciler.controller import metrics
from tests.metering import Growth


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    """The kinds have label values of their own, as in the running reconciler."""
    metrics.register_kinds(("DevServer", "DevServerFlavor", "DevServerUser"))


def test_a_pass_is_counted_and_timed_by_how_it_ends() -> None:
    growth = Growth()
    with metrics.reconciling("DevServer") as this:
        assert growth("controller_runtime_active_workers", controller="devserver") == 1
        this.result = "success"
    with pytest.raises(OSError, match="oops"), metrics.reconciling("DevServer"):
        raise OSError("oops")
    assert growth("controller_runtime_active_workers", controller="devserver") == 0
    assert growth("controller_runtime_reconcile_total", controller="devserver", result="success") == 1
    assert growth("controller_runtime_reconcile_total", controller="devserver", result="error") == 1
    assert growth("controller_runtime_reconcile_errors_total", controller="devserver") == 1
    assert growth("controller_runtime_reconcile_time_seconds_count", controller="devserver") == 2
