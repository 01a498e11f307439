"""The next status: conditions, history and what an Event tells of."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from crds.base import CommonStatus, Condition, Metadata
from crds.devserver import DevServerStatus
from reconciler import reasons
from reconciler.engine import Outcome
from reconciler.errors import EngineFailed, EngineTimeout, ReconcileError, Stalled, Transient, Waiting
from reconciler.expiry import format_time, parse_time
from reconciler.readiness import Readiness, Restart
from reconciler.shown import Shown, Stated
from reconciler.status import PassResult, next_status, transitions

NOW = parse_time("2030-01-01T12:00:00Z")
EARLIER = "2030-01-01T09:00:00Z"
READY = Readiness(True, "PodReady", "The pod runs and sshd answers.", "Running")
STARTING = Readiness(False, "PodStarting", "The containers are starting.", "Starting")
FINE = PassResult(error=None, outcome=None, digest="d", readiness=READY, restart=None, drift=None, facts={})
RAN = Outcome(b"{}", {"create": 5}, 1.23456)
TRANSIENT = Transient("ClusterError", "The API server was away.")
WAITING = Waiting("FlavorNotFound", "There is no DevServerFlavor 'gpu'; waiting for it.")
STALLED = Stalled("InvalidPublicKey", "spec.ssh.publicKey is not a usable public key.")


def following(
    result: PassResult, before: dict[str, Any] | None = None, generation: int = 3, now: datetime = NOW
) -> dict[str, Any]:
    return next_status(
        Metadata(name="box", generation=generation), CommonStatus.model_validate(before or {}), result, now
    )


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in status["conditions"]}


def had(type_: str, status: str, reason: str, generation: int = 3) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "observedGeneration": generation,
        "lastTransitionTime": EARLIER,
    }


@pytest.mark.parametrize(
    ("result", "ready", "progress", "phase"),
    [
        (FINE, ("True", "PodReady"), {}, "Running"),
        (replace(FINE, readiness=STARTING), ("False", "PodStarting"), {}, "Starting"),
        (replace(FINE, error=TRANSIENT), ("True", "PodReady"), {"Reconciling": "ClusterError"}, "Running"),
        (replace(FINE, error=WAITING), ("True", "PodReady"), {"Reconciling": "FlavorNotFound"}, "Running"),
        (replace(FINE, error=STALLED), ("True", "PodReady"), {"Stalled": "InvalidPublicKey"}, "Stalled"),
        (
            replace(FINE, error=TRANSIENT, readiness=None),
            ("False", "ClusterError"),
            {"Reconciling": "ClusterError"},
            "Waiting",
        ),
        (
            replace(FINE, error=EngineTimeout("RunTimeout", "Killed."), readiness=None),
            ("False", "RunTimeout"),
            {"Reconciling": "RunTimeout"},
            "Waiting",
        ),
        (
            replace(FINE, error=STALLED, readiness=None),
            ("False", "InvalidPublicKey"),
            {"Stalled": "InvalidPublicKey"},
            "Stalled",
        ),
    ],
    ids=[
        "ready",
        "starting",
        "ready, but the operator could not apply a change",
        "ready, but what the spec names is gone",
        "ready, but the spec is wrong now",
        "never applied, for the operator could not",
        "never applied, for the run took too long",
        "never applied, for the spec is wrong",
    ],
)
def test_conditions_follow_the_rules_of_kstatus(
    result: PassResult, ready: tuple[str, str], progress: dict[str, str], phase: str
) -> None:
    status = following(result)
    found = conditions(status)
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ready
    abnormal = {type_: item for type_, item in found.items() if type_ != "Ready"}
    assert {type_: item["reason"] for type_, item in abnormal.items()} == progress
    assert all(item["status"] == "True" for item in abnormal.values())
    assert status["phase"] == phase


def test_ready_is_for_the_spec_that_was_applied() -> None:
    """`kubectl wait --for=condition=Ready` must not take an earlier spec's readiness for this one's."""
    assert conditions(following(FINE, generation=4))["Ready"]["observedGeneration"] == 4
    before = {"conditions": [had("Ready", "True", "PodReady", generation=3)]}
    status = following(replace(FINE, error=TRANSIENT), before, generation=4)
    assert conditions(status)["Ready"]["observedGeneration"] == 3
    assert conditions(status)["Reconciling"]["observedGeneration"] == 4
    assert status["observedGeneration"] == 4


def test_ready_of_what_was_never_applied_is_for_no_generation() -> None:
    status = following(replace(FINE, error=STALLED, readiness=None), generation=1)
    assert conditions(status)["Ready"]["observedGeneration"] == 0


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (None, format_time(NOW)),
        (had("Ready", "False", "PodStarting"), format_time(NOW)),
        (had("Ready", "True", "PodReady"), EARLIER),
        (had("Ready", "True", "AnotherReason"), EARLIER),
        (had("Ready", "True", "PodReady", generation=1), EARLIER),
    ],
    ids=["first seen", "status changed", "nothing changed", "reason changed", "generation changed"],
)
def test_the_transition_time_changes_with_the_status_only(before: dict[str, Any] | None, since: str) -> None:
    status = following(FINE, {"conditions": [before]} if before else {})
    assert conditions(status)["Ready"]["lastTransitionTime"] == since


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (None, format_time(NOW)),
        (had("Reconciling", "True", WAITING.reason), EARLIER),
        (had("Reconciling", "True", "AnotherReason"), format_time(NOW)),
    ],
    ids=["first seen", "nothing changed", "reason changed"],
)
def test_the_time_of_what_is_there_only_while_it_is_true_is_that_of_its_reason(
    before: dict[str, Any] | None, since: str
) -> None:
    status = following(replace(FINE, error=WAITING), {"conditions": [before]} if before else {})
    assert conditions(status)["Reconciling"]["lastTransitionTime"] == since


def test_ready_says_since_when_the_cluster_shows_it() -> None:
    failing = replace(STARTING, reason="ImagePullBackOff", message="No such image.", since=EARLIER)
    before = {"conditions": [had("Ready", "False", "PodStarting")]}
    told = conditions(following(replace(FINE, readiness=failing), before))["Ready"]
    assert told["message"] == f"No such image. Since {EARLIER}."
    long = replace(failing, message="x" * 100_000)
    told = conditions(following(replace(FINE, readiness=long), before))["Ready"]
    assert told["message"].endswith(f"x ... Since {EARLIER}.")
    assert len(told["message"]) <= 2000


def test_a_message_is_one_line_without_control_characters() -> None:
    error = EngineFailed("RunFailed", "\x1b[31mred\n\u202ebidi\x00")
    found = conditions(following(replace(FINE, error=error, readiness=None)))
    assert found["Reconciling"]["message"] == found["Ready"]["message"] == "[31mred bidi"


@pytest.mark.parametrize(
    ("before", "error", "after"),
    [
        ("Reconciling", None, set()),
        ("Stalled", None, set()),
        ("Reconciling", STALLED, {"Stalled"}),
        ("Stalled", TRANSIENT, {"Reconciling"}),
        ("Stalled", WAITING, {"Reconciling"}),
        ("Stalled", STALLED, {"Stalled"}),
    ],
)
def test_reconciling_and_stalled_exclude_each_other(
    before: str, error: ReconcileError | None, after: set[str]
) -> None:
    status = following(replace(FINE, error=error), {"conditions": [had(before, "True", "Before")]})
    assert set(conditions(status)) == {"Ready"} | after


@pytest.mark.parametrize(
    ("restart", "pending"),
    [
        (None, False),
        (Restart(True, "The spec changed."), False),
        (Restart(False, "The flavor changed."), True),
    ],
    ids=["up to date", "restarted now", "restarted later"],
)
def test_a_restart_that_waits_is_told(restart: Restart | None, pending: bool) -> None:
    for before in ({}, {"conditions": [had(reasons.RESTART_PENDING, "True", "TemplateChanged")]}):
        assert (
            reasons.RESTART_PENDING in conditions(following(replace(FINE, restart=restart), before))
        ) is pending


def test_a_run_is_recorded_as_the_last_update() -> None:
    status = following(replace(FINE, outcome=RAN))
    assert status["lastUpdate"] == {
        "time": format_time(NOW),
        "durationSeconds": 1.235,
        "changes": {"create": 5},
    }
    assert status["history"] == [status["lastUpdate"]]


@pytest.mark.parametrize(
    "result",
    [
        FINE,
        replace(FINE, error=TRANSIENT),
        replace(FINE, outcome=replace(RAN, error=EngineFailed("RunFailed", "no"))),
    ],
    ids=["no run", "an error before the run", "a failed run"],
)
def test_what_applied_nothing_leaves_the_history_alone(result: PassResult) -> None:
    before = following(replace(FINE, outcome=RAN))
    after = following(result, before, now=NOW + timedelta(hours=1))
    assert after["history"] == before["history"]
    assert after["lastUpdate"] == before["lastUpdate"]


def test_the_history_holds_the_last_ten_runs_newest_first() -> None:
    status: dict[str, Any] = {}
    for run in range(12):
        outcome = replace(RAN, changes={"update": run})
        status = following(replace(FINE, outcome=outcome), status, now=NOW + timedelta(minutes=run))
    assert [update["changes"]["update"] for update in status["history"]] == list(range(11, 1, -1))


def test_a_pass_that_changes_nothing_gives_the_same_status() -> None:
    first = following(replace(FINE, outcome=RAN))
    assert following(FINE, first, now=NOW + timedelta(hours=1)) == first


@pytest.mark.parametrize("digest", ["d", None])
def test_the_digest_is_that_of_the_applied_inputs(digest: str | None) -> None:
    status = following(replace(FINE, digest=digest), {"inputsDigest": "before"})
    assert status.get("inputsDigest") == digest


def test_fields_of_the_kind_are_taken_over_and_none_removes_one() -> None:
    status = following(replace(FINE, facts={"flavor": "gpu", "expiresAt": None}))
    assert status["flavor"] == "gpu"
    assert "expiresAt" not in status


def test_what_the_cluster_shows_is_taken_over_and_none_removes_it() -> None:
    stated = Stated("False", "OlderDefault", "another is older")
    status = following(replace(FINE, shown=Shown({"fittingNodes": 2}, {"DefaultFlavor": stated})))
    assert status["fittingNodes"] == 2
    found = conditions(status)["DefaultFlavor"]
    assert (found["status"], found["reason"], found["message"]) == (
        "False",
        "OlderDefault",
        "another is older",
    )
    assert conditions(following(FINE, status))["DefaultFlavor"] == found, "what is not named stays"
    gone = following(replace(FINE, shown=Shown({"fittingNodes": None}, {"DefaultFlavor": None})), status)
    assert "fittingNodes" not in gone
    assert "DefaultFlavor" not in conditions(gone)


def test_a_message_of_any_length_fits() -> None:
    error = EngineFailed("RunFailed", "x" * 100_000)
    assert len(conditions(following(replace(FINE, error=error)))["Reconciling"]["message"]) <= 2000


def test_a_status_is_read_back_as_it_was_written() -> None:
    facts = {"flavor": "gpu", "ssh": {"service": "box-ssh", "port": 22, "hostKeys": ["ssh-ed25519 AAAA"]}}
    status = following(replace(FINE, outcome=RAN, error=STALLED, facts=facts))
    assert DevServerStatus.model_validate(status).manifest() == status


def condition(type_: str, status: str, reason: str, message: str = "") -> Condition:
    return Condition.model_validate(had(type_, status, reason) | {"message": message})


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([], [condition("Ready", "False", "PodStarting")], ["PodStarting"]),
        (
            [condition("Ready", "False", "PodStarting")],
            [condition("Ready", "True", "PodReady")],
            ["PodReady"],
        ),
        ([condition("Ready", "False", "A")], [condition("Ready", "False", "B")], ["B"]),
        ([condition("Ready", "True", "A", "one")], [condition("Ready", "True", "A", "two")], []),
        ([condition("Stalled", "True", "A")], [], []),
    ],
    ids=["appeared", "status changed", "reason changed", "message changed", "vanished"],
)
def test_an_event_tells_of_a_change_of_status_or_reason(
    before: list[Condition], after: list[Condition], told: list[str]
) -> None:
    assert [item.reason for item in transitions(before, after)] == told
