"""Several replicas, one of which leads: how fast another follows, and that never two do."""

import signal
import time

import psutil
import pytest

from reconciler.engine.processes.process_tree import MARK_VARIABLE
from tests import builders
from tests.e2e.kube import Kube, eventually
from tests.leader.conftest import LEASE, LONG_LEASE, Replica, started_by, when
from tests.patience import PATIENTLY, generous
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SharedCluster

Pair = tuple[ReconcilerProcess, ReconcilerProcess]
# Promised; the bench measures it.
SIGTERM_FAILOVER_S = 3.0
SIGKILL_FAILOVER_S = 20.0
RENEW_DEADLINE_S = 10.0
WITH_A_LONG_LEASE = pytest.mark.parametrize("pair", [LONG_LEASE], indirect=True, ids=["long Lease"])


def transitions(cluster: SharedCluster) -> int:
    lease = cluster.get(*LEASE)
    assert lease is not None
    count: int = lease["spec"]["leaseTransitions"]
    return count


def engine_of(process: ReconcilerProcess) -> list[psutil.Process]:
    """What the process started, found without it: by the mark in the environment."""
    assert process.process is not None
    mark = f"{process.process.pid}-"
    found = []
    for candidate in psutil.process_iter():
        try:
            if candidate.environ().get(MARK_VARIABLE, "").startswith(mark):
                found.append(candidate)
        except psutil.Error:
            continue
    return found


@WITH_A_LONG_LEASE
def test_one_stands_by_without_an_engine_and_leads_as_soon_as_the_other_has_ended_by_sigterm(
    pair: Pair,
) -> None:
    leader, standby = pair
    assert started_by(leader) != []
    assert started_by(standby) == []
    assert standby.count('"leading"') == 0
    told = time.time()
    assert leader.stop(signal.SIGTERM) == 0
    failover_s = when(standby, "leading") - told
    print(f"failover on SIGTERM: {failover_s:.1f} s")
    assert failover_s <= generous(SIGTERM_FAILOVER_S)


def test_a_leader_killed_in_the_middle_of_a_run_is_followed_by_one_that_finishes_it(
    pair: Pair, cluster: SharedCluster, namespace: str
) -> None:
    leader, standby = pair
    kube = Kube(cluster.admin, namespace)
    flavor = builders.manifest("DevServerFlavor", f"flavor-of-{namespace}")
    box = builders.manifest("DevServer", "box", namespace, flavor=f"flavor-of-{namespace}", running=False)
    cluster.apply(flavor, box)
    leader.await_event("run starts", resource=f"DevServer/{namespace}/box")

    killed = time.time()
    leader.kill()
    leader.ended()
    assert eventually(lambda: not engine_of(leader), "nothing of its engine is left")
    failover_s = when(standby, "leading") - killed
    print(f"failover on SIGKILL: {failover_s:.1f} s")
    assert failover_s <= generous(SIGKILL_FAILOVER_S)

    eventually(
        lambda: kube.condition("dvs", "box", "Ready").get("reason") == "Stopped", "the run is finished"
    )
    kube("delete", "dvs", "box", PATIENTLY)
    cluster.kubectl("delete", "dvsf", flavor["metadata"]["name"], PATIENTLY)


def test_a_leader_stopped_beyond_its_lease_is_dead_before_another_leads(pair: Pair) -> None:
    leader, standby = pair
    engine = engine_of(leader)
    assert engine != []
    leader.signal(signal.SIGSTOP)
    stopped = time.time()
    assert leader.ended() == -signal.SIGKILL
    assert time.time() - stopped <= RENEW_DEADLINE_S + generous(1)
    assert eventually(lambda: not engine_of(leader), "its engine ends with it")
    ended = time.time()
    assert when(standby, "leading") > ended


@WITH_A_LONG_LEASE
def test_a_process_on_the_same_run_directory_leads_at_once_in_the_same_term(
    pair: Pair, cluster: SharedCluster
) -> None:
    leader, standby = pair
    before = transitions(cluster)
    leader.kill()
    leader.ended()
    started = time.monotonic()
    leader.start()
    print(f"leads again after {time.monotonic() - started:.1f} s")
    assert transitions(cluster) == before
    assert standby.count('"leading"') == 0


def test_a_leader_whose_lease_someone_else_took_ends(replica: Replica, cluster: SharedCluster) -> None:
    leader = replica()
    leader.start()
    patch = '{"spec": {"holderIdentity": "somebody"}}'
    cluster.kubectl("patch", *LEASE[:2], f"--namespace={LEASE[2]}", "--type=merge", f"--patch={patch}")
    assert leader.ended() == 1
    assert "somebody has the Lease" in leader.log.read_text()
    lease = cluster.get(*LEASE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "somebody", "who is not robbed of it in turn"
