"""One resource's trouble is not another's; what does not matter causes no run."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crds.resources import DEVSERVER, SECRET, STATEFUL_SET
from reconciler.kube.client import MERGE_PATCH
from tests import shared_cluster
from tests.e2e.kube import condition, eventually
from tests.faults.harness import Operator, Space, await_quiet
from tests.faults.invariants import CONFIG_MAP, Guard
from tests.faults.kubeapi import Api
from tests.faults.webhook import webhook
from tests.patience import PATIENCE_S, generous
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

SLOW_S = 20
EDITS = 50
MOST_RUNS, LONG_BURST_S = 15, 2.0


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    with Operator.running(cluster) as operator:
        yield operator


def creation_times(space: Space, names: list[str]) -> list[float]:
    """Seconds from the creation of each, one after the other, until it is applied."""
    taken = []
    for name in names:
        begun = time.monotonic()
        space.create(name)
        space.await_applied(name)
        taken.append(time.monotonic() - begun)
    return taken


@pytest.mark.full
def test_slow_resources_delay_no_others(
    operator: Operator, space: Space, guard: Guard, api: Api, tmp_path: Path, other_space: Space
) -> None:
    """More of them than there are workers, in a namespace where each write takes 20 seconds."""
    creation_times(other_space, ["warm"])
    usual_s = statistics.median(creation_times(other_space, ["before1", "before2", "before3"]))
    address = shared_cluster.host_address()
    with webhook(api, address, space.namespace, tmp_path, timeout_s=30) as hook:
        hook.sleeps(SLOW_S)
        for number in range(12):
            space.create(f"slow{number}")
        eventually(lambda: hook.asked >= 3, "slow writes are under way")
        beside_s = creation_times(other_space, [f"beside{number}" for number in range(5)])
        hook.admits()
    print(f"usually {usual_s:.2f} s, beside slow ones {[round(taken_s, 2) for taken_s in beside_s]}")
    # Until the first of the slow ones are known to be slow, the others wait for them.
    assert statistics.median(beside_s) < generous(usual_s), (usual_s, beside_s)
    assert max(beside_s) < SLOW_S / 2, (usual_s, beside_s)
    space.await_applied(timeout_s=2 * SLOW_S + PATIENCE_S)
    guard.check()
    Guard(other_space, [operator]).check()


def test_failing_resources_delay_no_others(
    operator: Operator, space: Space, guard: Guard, api: Api, tmp_path: Path, other_space: Space
) -> None:
    usual_s = statistics.median(creation_times(other_space, ["before1", "before2", "before3"]))
    with webhook(api, shared_cluster.host_address(), space.namespace, tmp_path) as hook:
        hook.denies("never")
        for number in range(10):
            space.create(f"bad{number}")
        eventually(lambda: all(condition(obj, "Stalled") for obj in space.all()), "all of them are told of")
        beside_s = creation_times(other_space, [f"beside{number}" for number in range(4)])
    assert statistics.median(beside_s) < generous(usual_s), (usual_s, beside_s)
    space.await_applied()
    guard.check()


def test_a_burst_of_edits_is_few_runs_and_ends_with_the_last_spec(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied("box")
    before = operator.runs("box")
    begun = time.monotonic()
    for number in range(EDITS):
        space.patch("box", env=[{"name": "EDIT", "value": str(number)}], image=f"local/busybox:{number}")
    burst_s = time.monotonic() - begun
    space.await_applied("box")
    await_quiet(operator.proxy)
    # A burst takes less than half a second. The more slowly the edits come, the more of them find no run under way.
    assert operator.runs("box") - before <= MOST_RUNS * max(1, burst_s / LONG_BURST_S)
    stateful_set = api.get(STATEFUL_SET, space.namespace, "box")
    assert stateful_set is not None
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"local/busybox:{EDITS - 1}"
    guard.check()


def test_what_is_none_of_our_business_and_our_own_writes_cause_no_run(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied("box")
    await_quiet(operator.proxy, quiet_s=1.5)
    before = operator.runs("box")

    for number in range(5):
        note = {"metadata": {"annotations": {"example.com/note": str(number)}}}
        api.patch(DEVSERVER, space.namespace, "box", note)
        for resource, name in ((CONFIG_MAP, "box-sshd"), (STATEFUL_SET, "box"), (SECRET, "box-hostkeys")):
            api.patch(resource, space.namespace, name, note)
        status = {"status": {"replicas": 0, "observedGeneration": number + 1}}
        path = STATEFUL_SET.path(space.namespace, "box", "status")
        api.request("PATCH", path, status, MERGE_PATCH)
        for secret in api.list(SECRET, SYSTEM_NAMESPACE):
            if space.namespace in secret["metadata"].get("annotations", {}).get("devserver.io/state-of", ""):
                api.patch(SECRET, SYSTEM_NAMESPACE, secret["metadata"]["name"], note)
    await_quiet(operator.proxy, quiet_s=1.5)
    assert operator.runs("box") == before
    guard.check()
