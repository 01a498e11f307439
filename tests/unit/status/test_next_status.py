"""The next status: conditions, history and what an Event tells of."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from crds import LastUpdate
from crds.base import CommonStatus, Condition
from crds.devserver import DevServerStatus
from crds.times import format_time, parse_time
from reconciler.status.conditions import ConditionState, StatusPatch, not_ready, ready
from reconciler.status.errors import (
    EngineFailedError,
    EngineTimeoutError,
    ReconcileError,
    StalledError,
    TransientError,
    WaitingError,
)
from reconciler.status.next_status import PassResult, next_status, transitions

NOW = parse_time("2030-01-01T12:00:00Z")
EARLIER = "2030-01-01T09:00:00Z"
READY = ready("PodReady", "The pod runs and sshd answers.", "Running")
STARTING = not_ready("PodStarting", "The containers are starting.", "Starting")
FINE = PassResult(error=None, last_update=None, digest="d", readiness=READY, drift=None)
RAN = LastUpdate(time="2030-01-01T12:00:00Z", duration_seconds=1.235, changes={"create": 5})
TRANSIENT = TransientError("ClusterError", "The API server was away.")
WAITING = WaitingError("FlavorNotFound", "There is no DevServerFlavor 'gpu'; waiting for it.")
STALLED = StalledError("InvalidPublicKey", "spec.ssh.publicKey is not a usable public key.")


def following(
    result: PassResult, before: dict[str, Any] | None = None, generation: int = 3, now: datetime = NOW
) -> dict[str, Any]:
    return next_status(generation, CommonStatus.model_validate(before or {}), result, now)


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
            replace(FINE, error=EngineTimeoutError("RunTimeout", "Killed."), readiness=None),
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
    failing = not_ready("ImagePullBackOff", "No such image.", "Failing", EARLIER)
    before = {"conditions": [had("Ready", "False", "PodStarting")]}
    told = conditions(following(replace(FINE, readiness=failing), before))["Ready"]
    assert told["message"] == f"No such image. Since {EARLIER}."
    long = not_ready("ImagePullBackOff", "x" * 100_000, "Failing", EARLIER)
    told = conditions(following(replace(FINE, readiness=long), before))["Ready"]
    assert told["message"].endswith(f"x ... Since {EARLIER}.")
    assert len(told["message"]) <= 2000


def test_a_message_is_one_line_without_control_characters() -> None:
    error = EngineFailedError("RunFailed", "\x1b[31mred\n\u202ebidi\x00")
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


def test_a_run_is_recorded_as_the_last_update() -> None:
    status = following(replace(FINE, last_update=RAN))
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
        replace(FINE, error=EngineFailedError("RunFailed", "no")),
    ],
    ids=["no run", "an error before the run", "a failed run"],
)
def test_what_applied_nothing_leaves_the_history_alone(result: PassResult) -> None:
    before = following(replace(FINE, last_update=RAN))
    after = following(result, before, now=NOW + timedelta(hours=1))
    assert after["history"] == before["history"]
    assert after["lastUpdate"] == before["lastUpdate"]


def test_the_history_holds_the_last_ten_runs_newest_first() -> None:
    status: dict[str, Any] = {}
    for run in range(12):
        update = RAN.model_copy(update={"changes": {"update": run}})
        status = following(replace(FINE, last_update=update), status, now=NOW + timedelta(minutes=run))
    assert [update["changes"]["update"] for update in status["history"]] == list(range(11, 1, -1))


def test_a_pass_that_changes_nothing_gives_the_same_status() -> None:
    first = following(replace(FINE, last_update=RAN))
    assert following(FINE, first, now=NOW + timedelta(hours=1)) == first


@pytest.mark.parametrize("digest", ["d", None])
def test_the_digest_is_that_of_the_applied_inputs(digest: str | None) -> None:
    status = following(replace(FINE, digest=digest), {"inputsDigest": "before"})
    assert status.get("inputsDigest") == digest


def test_fields_of_the_kind_are_taken_over_and_none_removes_one() -> None:
    status = following(replace(FINE, fields={"flavor": "gpu", "expiresAt": None}))
    assert status["flavor"] == "gpu"
    assert "expiresAt" not in status


def test_what_the_cluster_shows_is_taken_over_and_none_removes_it() -> None:
    stated = ConditionState("DefaultFlavor", "False", "OlderDefault", "another is older")
    status = following(replace(FINE, patch=StatusPatch({"fittingNodes": 2}, {"DefaultFlavor": stated})))
    assert status["fittingNodes"] == 2
    found = conditions(status)["DefaultFlavor"]
    assert (found["status"], found["reason"], found["message"]) == (
        "False",
        "OlderDefault",
        "another is older",
    )
    assert conditions(following(FINE, status))["DefaultFlavor"] == found, "what is not named stays"
    gone = following(
        replace(FINE, patch=StatusPatch({"fittingNodes": None}, {"DefaultFlavor": None})), status
    )
    assert "fittingNodes" not in gone
    assert "DefaultFlavor" not in conditions(gone)


def test_a_message_of_any_length_fits() -> None:
    error = EngineFailedError("RunFailed", "x" * 100_000)
    assert len(conditions(following(replace(FINE, error=error)))["Reconciling"]["message"]) <= 2000


def test_a_status_is_read_back_as_it_was_written() -> None:
    facts = {"flavor": "gpu", "ssh": {"service": "box-ssh", "port": 22, "hostKeys": ["ssh-ed25519 AAAA"]}}
    status = following(replace(FINE, last_update=RAN, error=STALLED, fields=facts))
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
