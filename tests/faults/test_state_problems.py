"""States that cannot be used are told of once and made anew by one run; those of the dead lead to a destroy."""

import base64

from crds.resources import DEVSERVER, EVENT, SECRET
from reconciler.state.encryption_keys import SECRET_NAME
from tests.e2e.kube import eventually
from tests.faults.conftest import MakeOperator
from tests.faults.harness import Operator, Space, await_quiet
from tests.faults.invariants import Guard
from tests.faults.kubeapi import Api
from tests.faults.test_metrics_and_health import Server
from tests.faults.test_states import DAMAGES, are_readable, spoil, state_name
from tests.shared_cluster import SYSTEM_NAMESPACE

# By the name of the DevServer: the damage, the Event and the value of the metric's label.
PROBLEMS = {
    "cut": ("truncated", "StateDamaged", "damaged"),
    "wiped": ("no data", "StateMissing", "missing"),
    "strange": ("of another stack", "StateForeign", "foreign"),
    "locked": ("of another passphrase", "StateKeysLost", "keys-lost"),
}


def events_about(api: Api, namespace: str, name: str) -> list[str]:
    """Reasons of the Events about an object."""
    return [item["reason"] for item in api.list(EVENT, namespace) if item["regarding"].get("name") == name]


def problems(operator: Operator) -> dict[str, float]:
    """States that could not be used since the last start, by the problem."""
    *_, serving = (item for item in operator.events() if item["event"] == "serving")
    return {
        dict(labels)["problem"]: value
        for (name, labels), value in Server(serving["port"]).figures().items()
        if name == "devserver_state_problems_total"
    }


def test_a_problem_is_told_of_once_and_counted_and_mended_by_one_run(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    boxes = {name: space.create(name) for name in PROBLEMS}
    space.await_applied()
    guard.note_host_keys()
    runs = {name: operator.runs(name) for name in boxes}
    counted = problems(operator)

    for name, (damage, _, _) in PROBLEMS.items():
        spoil(api, state_name(boxes[name]), DAMAGES[damage])
    eventually(lambda: are_readable(guard), "all states are whole again")
    await_quiet(operator.proxy, quiet_s=2)
    for name, (_, reason, problem) in PROBLEMS.items():
        assert operator.runs(name) == runs[name] + 1, f"{name} is made anew by one run"
        told = [event for event in events_about(api, space.namespace, name) if event.startswith("State")]
        assert told == [reason]
        assert problems(operator)[problem] == counted[problem] + 1
    guard.check()


def test_states_of_resources_that_died_while_the_operator_was_away_lead_to_a_destroy(
    make_operator: MakeOperator, space: Space, api: Api
) -> None:
    operator = make_operator()
    operator.start()
    guard = Guard(space, [operator])
    names = ("sound", "damaged", "again")
    boxes = {name: space.create(name) for name in names}
    space.await_applied()
    operator.stop()
    spoil(api, state_name(boxes["damaged"]), DAMAGES["truncated"])
    for name in names:
        api.patch(DEVSERVER, space.namespace, name, {"metadata": {"finalizers": None}})
        space.delete(name)
    again = space.create("again")

    operator.start()
    space.await_applied("again")
    dead = {box["metadata"]["uid"] for box in boxes.values()}
    eventually(lambda: not dead & {state.uid for state in guard.states()}, "states of the dead vanish")
    eventually(lambda: not any(map(guard.children_of, dead)), "and their children")
    assert guard.children_of(again["metadata"]["uid"])
    guard.check()


def test_damaged_engine_keys_are_replaced_and_every_state_is_made_anew(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied()
    guard.note_host_keys()
    operator.stop()
    found = api.get(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    assert found is not None
    # A passphrase that does not fit the salt: every run would fail with it.
    data = {**found["data"], "passphrase": base64.b64encode(b"another").decode()}
    api.delete(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    metadata = {"name": SECRET_NAME, "namespace": SYSTEM_NAMESPACE, "labels": found["metadata"]["labels"]}
    api.create(SECRET, {"metadata": metadata, "data": data})

    operator.start()
    eventually(lambda: "StateKeysLost" in events_about(api, space.namespace, "box"), "it is told of")
    eventually(lambda: are_readable(guard), "its state is whole again")
    assert "EngineKeysReplaced" in events_about(api, SYSTEM_NAMESPACE, SECRET_NAME)
    assert problems(operator)["engine-keys"] == 1
    space.patch("box", env=[{"name": "A", "value": "1"}])
    space.await_applied()
    await_quiet(operator.proxy)
    secret = api.get(SECRET, SYSTEM_NAMESPACE, SECRET_NAME)
    assert secret is not None
    assert secret["data"] != data
    guard.check()
