"""What a running reconciler tells of itself: the figures of known events, and when it calls itself unwell."""

import re
from collections.abc import Callable

import pytest

from tests.e2e.kube import condition, eventually
from tests.faults.conftest import MakeOperator
from tests.faults.harness import Operator, Space
from tests.faults.proxy import Answer, Exchange, refusal
from tests.monitoring import Server


def refuse_services(exchange: Exchange) -> Answer | None:
    if exchange.method in ("POST", "PATCH") and "/services" in exchange.path:
        return refusal(422, "Invalid", 'Service "x" is invalid: spec.ports: Invalid value: 0')
    return None


def stalled(space: Space, name: str) -> Callable[[], bool]:
    return lambda: condition(space.get(name) or {}, "Stalled").get("status") == "True"


def test_the_figures_of_creates_a_failure_and_deletes_are_exact(
    make_operator: MakeOperator, space: Space
) -> None:
    # No second try of what fails, before the spec is edited.
    operator = make_operator(retry_base_s=300, retry_cap_s=300)
    operator.start()
    server = Server.of(operator)
    assert server.get("readyz") == (200, "ok\n")
    before = server.figures_at_rest()

    space.create("good")
    space.await_applied("good")
    with operator.proxy.before(refuse_services):
        space.create("bad")
        eventually(stalled(space, "bad"), "the refusal is told")
    made = server.figures_at_rest()
    space.patch("bad", env=[{"name": "A", "value": "b"}])
    space.await_applied("bad")
    for name in ("good", "bad"):
        space.delete(name)
    space.await_gone()
    after = server.figures_at_rest()

    def grown(name: str, /, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return after[key] - before.get(key, 0)

    runs = {
        (operation, result): grown(
            "devserver_engine_runs_total", kind="DevServer", operation=operation, result=result
        )
        for operation in ("up", "destroy")
        for result in ("success", "rejected", "failed", "lost")
    }
    assert {ended: count for ended, count in runs.items() if count} == {
        ("up", "success"): 2,
        ("up", "rejected"): 1,
        ("destroy", "success"): 2,
    }
    assert grown("devserver_engine_run_seconds_count", kind="DevServer", operation="up") == 3
    assert 0 < grown("devserver_engine_run_seconds_sum", kind="DevServer", operation="up") < 60
    assert grown("controller_runtime_reconcile_errors_total", controller="devserver") == 1
    assert grown("controller_runtime_reconcile_total", controller="devserver", result="error") == 1
    assert grown("workqueue_retries_total", name="devserver") == 1
    passes = sum(
        grown("controller_runtime_reconcile_total", controller="devserver", result=result)
        for result in ("success", "error", "requeue", "requeue_after")
    )
    assert passes == grown("controller_runtime_reconcile_time_seconds_count", controller="devserver")
    assert passes == grown("workqueue_work_duration_seconds_count", name="devserver")
    assert passes == grown("workqueue_adds_total", name="devserver")
    for name in ("devserver_expirations_total", "devserver_state_problems_total"):
        assert not [key for key, value in after.items() if key[0] == name and value != before[key]]
    size = "devserver_state_bytes", ()
    assert made[size] - before[size] > 2000, "two states"
    assert after[size] == before[size]
    assert not any(value for (name, _), value in after.items() if name.startswith("devserver_orphans_swept"))
    assert not [key for key in after if space.namespace in str(key) or "good" in str(key)]


def test_every_line_of_a_run_says_which_pass_of_what_it_belongs_to(operator: Operator, space: Space) -> None:
    uid = space.create("box")["metadata"]["uid"]
    space.await_applied("box")
    began, ended = operator.await_event("run starts"), operator.await_event("run ended")
    assert re.fullmatch(r"[0-9a-f]{12}", began["reconcile_id"])
    for name, value in {
        "reconcile_id": began["reconcile_id"],
        "resource": f"DevServer/{space.namespace}/box",
        "generation": 1,
        "pulumi_stack": f"devserver-{uid}",
    }.items():
        assert began[name] == ended[name] == value


@pytest.mark.timeout(600)
def test_health_fails_while_the_api_server_says_nothing_and_recovers(
    make_operator: MakeOperator, space: Space
) -> None:
    # Without its Lease the process would end before.
    operator = make_operator(watch_silence_s=4, lease_duration_s=120, lease_renew_deadline_s=100)
    operator.start()
    server = Server.of(operator)
    eventually(lambda: server.get("healthz") == (200, "ok\n"), "it is well")
    with operator.proxy.hang():
        reason = "the watch of devservers has heard nothing from the API server for"
        eventually(lambda: reason in server.get("healthz")[1], "it says what is wrong")
        assert server.get("healthz")[0] == 503
        assert server.figures()["devserver_watch_silence_seconds", (("watch", "devservers"),)] > 8
        assert server.get("readyz") == (200, "ok\n"), "it has what it needs to work"
    eventually(lambda: server.get("healthz") == (200, "ok\n"), "it is well again")
    space.create("box")
    space.await_applied("box")


def test_a_port_in_use_is_a_clear_error_at_the_start(make_operator: MakeOperator) -> None:
    first = make_operator()
    first.start()
    port = Server.of(first).port
    second = make_operator(http_port=port)
    second.start(wait=False)
    assert second.ended() == 1
    last = second.log.read_text().splitlines()[-1]
    assert last.startswith(f"reconciler: cannot listen on port {port}")
    assert "DEVSERVER_HTTP_PORT" in last
