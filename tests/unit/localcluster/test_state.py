"""What is remembered of a local cluster."""

from pathlib import Path

import pytest

from localcluster import state
from localcluster.errors import LocalClusterError, NotRunning, SettingsDiffer
from localcluster.paths import Paths
from localcluster.settings import Settings

SETTINGS = Settings(name="x")


def test_the_settings_that_a_cluster_was_made_with_are_remembered(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert state.remembered(paths) is None
    paths.settings.write_text(SETTINGS.model_dump_json())
    assert state.remembered(paths) == SETTINGS


def test_a_cluster_is_not_changed_by_other_settings(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.settings.write_text(SETTINGS.model_dump_json())
    assert state.ensure(paths, Settings(name="x")) == SETTINGS
    other = Settings.model_validate({"name": "x", "service_cidr": "10.7.0.0/16"})
    with pytest.raises(
        SettingsDiffer, match=r"service_cidr 10.96.0.0/16, not 10.7.0.0/16: unset LOCALCLUSTER_SERVICE_CIDR"
    ):
        state.ensure(paths, other)


def test_the_state_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.settings.write_text('{"name": "x", "flavour": "old"}')
    with pytest.raises(LocalClusterError, match="not of this version; run down, then up"):
        state.remembered(paths)


def test_a_cluster_that_is_not_there_is_told_with_the_command_that_starts_it(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="python -m localcluster up"):
        state.existing(Paths(tmp_path))
