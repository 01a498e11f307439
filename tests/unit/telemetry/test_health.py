"""When the reconciler counts as well."""

from collections.abc import Mapping

import pytest

from reconciler.settings import Settings
from reconciler.telemetry.health import Health, Limits, complaints

LIMITS = Limits(silence_s=300, run_s=180, pass_s=1200)


@pytest.mark.parametrize(
    ("silences", "runs", "pass_s", "words"),
    [
        ({}, {}, 0, []),
        ({"pods": 300, "states": 60}, {"devserver-1": 180}, 1200, []),
        ({"pods": 301, "states": 302}, {}, 0, ["watch of pods", "watch of states"]),
        ({}, {"devserver-2": 200, "devserver-1": 190}, 0, ["run of devserver-1", "run of devserver-2"]),
        ({}, {}, 1201, ["a pass has lasted 1201 s (limit 1200 s)"]),
        ({"pods": 400}, {"devserver-1": 400}, 2000, ["watch of pods", "run of devserver-1", "a pass"]),
    ],
    ids=[
        "nothing there yet",
        "all at their limits",
        "silent watches",
        "runs past the deadline",
        "stuck",
        "all",
    ],
)
def test_whatever_is_beyond_its_limit_is_named(
    silences: Mapping[str, float], runs: Mapping[str, float], pass_s: float, words: list[str]
) -> None:
    said = complaints(LIMITS, silences, runs, pass_s)
    assert len(said) == len(words)
    for sentence, word in zip(said, words, strict=True):
        assert word in sentence


def test_the_limits_leave_room_for_what_the_settings_allow() -> None:
    limits = Limits.of(Settings(watch_silence_s=150, run_deadline_s=120))
    assert limits.silence_s == 300
    assert limits.run_s == 300
    assert limits.pass_s > 3 * limits.run_s


def test_a_process_that_has_just_begun_is_well_and_not_ready() -> None:
    health = Health(LIMITS)
    assert health.ailments() == []
    assert health.unreadiness() != []


def test_it_is_ready_when_every_watch_has_its_first_list() -> None:
    unsynced = {"secrets", "pods"}
    health = Health(LIMITS, unsynced=lambda: unsynced)
    assert health.unreadiness() == [f"the first list of {name} is not in yet" for name in ("pods", "secrets")]
    unsynced.clear()
    assert health.unreadiness() == []
