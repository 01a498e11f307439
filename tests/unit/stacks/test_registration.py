"""What the engine is asked for: just what it was asked for when the checkpoints in clusters were made.

requests.json was recorded when every program still called Pulumi itself. A request that differs makes the engine
update or replace what it has made. Whoever changes one on purpose changes the recording with it.
"""

import json
from functools import partial
from pathlib import Path

import pytest

from stacks.declarations import Program
from stacks.devserver.program import HostKeys
from stacks.registration import register
from tests.builders import ED25519
from tests.unit.stacks.registered import Requests, requests_of
from tests.unit.stacks.shapes import SHAPES, program_of

RECORDED: dict[str, Requests] = json.loads((Path(__file__).parent / "requests.json").read_text())
PROGRAMS: dict[str, Program] = {
    "devserver with host keys of its user": program_of(SHAPES["devserver"], HostKeys((ED25519,), None)),
    **{name: program_of(inputs) for name, inputs in SHAPES.items()},
}


def without_aliases(requests: Requests) -> Requests:
    """Pulumi's class of a kind names API versions that the kind had long ago. No stack has ever held one of those."""
    return {
        name: {field: value for field, value in request.items() if field != "aliases"}
        for name, request in requests.items()
    }


def test_every_shape_is_recorded() -> None:
    assert RECORDED.keys() == PROGRAMS.keys()


@pytest.mark.parametrize("shape", PROGRAMS)
def test_the_engine_is_asked_for_what_it_was_asked_for_before(shape: str) -> None:
    assert requests_of(partial(register, PROGRAMS[shape])) == without_aliases(RECORDED[shape])


@pytest.mark.parametrize("shape", PROGRAMS)
def test_a_program_names_the_children_that_the_engine_makes(shape: str) -> None:
    made = {
        (request["object"]["apiVersion"], request["object"]["kind"], meta.get("namespace", ""), meta["name"])
        for request in RECORDED[shape].values()
        if (meta := request.get("object", {}).get("metadata"))
    }
    children = PROGRAMS[shape].children
    assert {(child.api_version, child.kind, child.namespace, child.name) for child in children} == made
    assert len(children) == len(made)


def test_names_of_others_are_sent_as_they_are_written() -> None:
    """Pulumi's classes translate names of fields; a key of a map is none, however much it looks like one."""
    requests = requests_of(partial(register, PROGRAMS["devserver with everything"]))
    pod = requests["kubernetes:apps/v1:StatefulSet workload"]["object"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"]["node_pool"] == "api_version"
    assert "api_version" in [item["name"] for item in pod["containers"][0]["env"]]
