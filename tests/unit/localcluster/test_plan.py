"""What a local cluster's supervisor is told to run."""

import json
from pathlib import Path

from localcluster.plan import plan
from tests.unit.localcluster.samples import SETTINGS, locate


def test_nothing_inside_depends_on_where_the_host_keeps_the_state_but_one_mount() -> None:
    commands = plan(SETTINGS, Path("/somewhere/state"), locate)["setup"]
    mentions = [command for command in commands if any("/somewhere" in argument for argument in command)]
    assert mentions == [("mount", "--bind", "/somewhere/state", "/run/localcluster")]


def test_the_plan_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(plan(SETTINGS, Path("/state"), locate)))["interface"] == "eth0"
