"""The operator of today takes over what an earlier version made, and no user notices. README.md says more."""

from datetime import datetime
from functools import partial

from tests.upgrade.conftest import Takeover
from tests.upgrade.expected import EXPECTED_RUNS, REWORDED
from tests.upgrade.objects import (
    Objects,
    belongs_to,
    but_for_the_form,
    differences,
    everything,
    resources,
    sacred,
)
from tests.upgrade.recording import Recording

# A Date header has whole seconds, and a busy machine takes its time.
_SKEW_S = 30
_START_S = 300


def test_the_recording_has_20_devservers_and_two_of_them_have_yet_to_end(
    recorded: Recording, takeover: Takeover
) -> None:
    devservers = [item for item in resources(takeover.before).values() if item["kind"] == "DevServer"]
    ends = [item["status"]["expiresAt"] for item in devservers if "expiresAt" in item["status"]]
    assert len(devservers) == 20
    assert len(ends) == 2
    assert all(datetime.fromisoformat(end) > recorded.time for end in ends)


def test_the_operator_and_its_api_server_have_the_clock_of_the_recording(
    recorded: Recording, takeover: Takeover
) -> None:
    assert abs((takeover.first.began - recorded.time).total_seconds()) < _START_S
    assert abs(takeover.first.figures["devserver_clock_offset_seconds"]) < _SKEW_S


def test_the_engine_runs_for_those_only_whose_programs_declare_something_else(
    recorded: Recording, takeover: Takeover
) -> None:
    expected = EXPECTED_RUNS[recorded.version]
    assert sorted(takeover.first.runs) == sorted(expected), f"{takeover.log} says why"
    assert takeover.first.figures["devserver_engine_runs_total"] == len(expected)


def test_every_resource_is_taken_over_in_passes_that_succeed(recorded: Recording, takeover: Takeover) -> None:
    assert takeover.first.failures == takeover.second.failures == []
    before, after = resources(takeover.before), resources(takeover.first.objects)
    assert before.keys() == after.keys()
    digests = {name: item["status"].get("inputsDigest", "") for name, item in after.items()}
    applied = {name for name, item in before.items() if item["status"].get("inputsDigest")}
    assert applied
    assert {name for name, digest in digests.items() if digest.startswith("2:")} == applied


def test_no_pod_host_key_claim_or_end_is_touched(takeover: Takeover) -> None:
    assert differences(takeover.before, takeover.first.objects, sacred) == ""


def test_all_others_stay_as_they_are_but_for_digests_and_words(
    recorded: Recording, takeover: Takeover
) -> None:
    ran = [resources(takeover.before)[name] for name in EXPECTED_RUNS[recorded.version]]

    def others(objects: Objects) -> Objects:
        return {
            place: item for place, item in objects.items() if not any(belongs_to(item, one) for one in ran)
        }

    view = partial(but_for_the_form, reworded=REWORDED[recorded.version])
    assert differences(others(takeover.before), others(takeover.first.objects), view) == ""


def test_the_next_start_changes_nothing_at_all(takeover: Takeover) -> None:
    assert takeover.second.runs == [], f"{takeover.log} says why"
    assert "\n".join(takeover.second.writes) == ""
    assert differences(takeover.first.objects, takeover.second.objects, everything) == ""
