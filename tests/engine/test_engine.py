"""Real Pulumi against the real API server, under the reconciler's identity."""

import base64
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from reconciler.engine.engine import Engine
from reconciler.engine.processes.process_tree import BACKEND_VARIABLE
from reconciler.engine.setup import EngineError, open_engine
from reconciler.settings import Settings
from reconciler.state import checkpoint
from reconciler.state.encryption_keys import Keys
from reconciler.status.errors import EngineFailedError, EngineTimeoutError, StalledError
from tests.engine.conftest import PRIVATE_KEY, Box
from tests.patience import PATIENCE_S, PATIENTLY
from tests.shared_cluster import RECONCILER

# Pulumi's SDK leaves its event loops to the garbage collector.
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

MakeBox = Callable[..., Box]
HOME = {"size": "1Gi"}


def processes_of_runs(settings: Settings) -> list[str]:
    """Processes of this engine's runs, by their command lines."""
    mark, found = f"file://{settings.run_dir}/runs/", []
    for process in psutil.process_iter():
        try:
            url = process.environ().get(BACKEND_VARIABLE, "")
            if url.startswith(mark) and url != mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


# --- up


async def test_up_creates_every_child(engine: Engine, keys: Keys, box: Box) -> None:
    outcome = await box.up(engine, keys)
    assert outcome.error is None
    assert outcome.changes["create"] >= len(box.children)
    assert len(box.uids()) == len(box.children)
    assert checkpoint.children(box.state) == box.children


async def test_children_are_applied_by_the_reconcilers_field_manager(
    engine: Engine, keys: Keys, box: Box
) -> None:
    await box.up(engine, keys)
    found = box.cluster.kubectl(
        "get",
        "configmap",
        box.names.sshd.name,
        f"--namespace={box.owner.namespace}",
        "--output=jsonpath={.metadata.managedFields[*].manager}",
    )
    assert found == RECONCILER


async def test_a_second_up_finds_everything_the_same(engine: Engine, keys: Keys, box: Box) -> None:
    await box.up(engine, keys)
    before = box.uids()
    outcome = await box.up(engine, keys)
    assert outcome.error is None
    assert set(outcome.changes) == {"same"}
    assert box.uids() == before


async def test_a_change_updates_in_place(engine: Engine, keys: Keys, box: Box) -> None:
    await box.up(engine, keys)
    before = box.uids()
    box.spec = {"owner": "eve@example.com", "env": [{"name": "A", "value": "1"}]}
    outcome = await box.up(engine, keys)
    assert outcome.error is None
    assert outcome.changes["update"] == 2, "the StatefulSet, and the ConfigMap for its message of the day"
    assert not {"create", "delete", "replace"} & set(outcome.changes)
    assert box.uids() == before


async def test_a_lost_state_is_made_anew_by_adoption(engine: Engine, keys: Keys, box: Box) -> None:
    box.spec = {"home": HOME}
    await box.up(engine, keys)
    before = box.uids()
    box.state = checkpoint.empty(box.stack)
    outcome = await box.up(engine, keys)
    assert outcome.error is None
    assert box.uids() == before
    assert checkpoint.children(box.state) == box.children


async def test_a_refresh_puts_back_a_child_that_was_deleted(engine: Engine, keys: Keys, box: Box) -> None:
    await box.up(engine, keys)
    before = box.uids()
    box.cluster.kubectl("delete", "configmap", box.names.sshd.name, f"--namespace={box.owner.namespace}")
    outcome = await box.up(engine, keys, refresh=True)
    assert outcome.error is None
    after = box.uids()
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {f"ConfigMap {box.names.sshd.name}"}


async def test_a_refresh_takes_back_a_field_that_someone_changed(
    engine: Engine, keys: Keys, box: Box
) -> None:
    await box.up(engine, keys)
    before = box.live(box.names.sshd)
    patch = json.dumps({"data": {"authorized_keys": "ssh-ed25519 EVE\n"}})
    box.cluster.kubectl(
        "patch", "configmap", box.names.sshd.name, f"--namespace={box.owner.namespace}", "--patch", patch
    )
    outcome = await box.up(engine, keys, refresh=True)
    assert outcome.error is None
    after = box.live(box.names.sshd)
    assert before is not None
    assert after is not None
    assert after["data"] == before["data"]


# --- destroy


@pytest.mark.parametrize(("on_delete", "stays"), [("Retain", True), ("Delete", False)])
async def test_destroy_removes_everything_but_what_is_retained(
    engine: Engine, keys: Keys, make_box: MakeBox, on_delete: str, stays: bool
) -> None:
    box = make_box(home=HOME | {"onDelete": on_delete})
    await box.up(engine, keys)
    home = box.live(box.names.home)
    assert home is not None
    outcome = await box.destroy(engine, keys)
    assert outcome.error is None
    assert checkpoint.children(box.state) == frozenset()
    left = box.uids()
    if not stays and left:
        # Whether a claim is in use is for another controller to say, which takes a moment.
        box.cluster.kubectl(
            "wait",
            "--for=delete",
            f"pvc/{box.names.home.name}",
            f"--namespace={box.owner.namespace}",
            PATIENTLY,
        )
        left = box.uids()
    assert left == (
        {f"PersistentVolumeClaim {box.names.home.name}": home["metadata"]["uid"]} if stays else {}
    )


async def test_destroying_what_is_gone_already_succeeds(engine: Engine, keys: Keys, box: Box) -> None:
    await box.up(engine, keys)
    box.cluster.kubectl("delete", "service", "--all", f"--namespace={box.owner.namespace}")
    assert (await box.destroy(engine, keys)).error is None
    assert box.uids() == {}


# --- objects of others


def foreign_config_map(box: Box) -> dict[str, object]:
    child = box.names.sshd
    metadata = {"name": child.name, "namespace": child.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"precious": "data"}}


async def test_an_object_of_someone_else_fails_the_run_and_is_untouched(
    engine: Engine, keys: Keys, box: Box
) -> None:
    box.cluster.apply(foreign_config_map(box))
    before = box.live(box.names.sshd)
    outcome = await box.up(engine, keys)
    assert isinstance(outcome.error, StalledError)
    assert outcome.error.reason == "NameConflict"
    assert f"ConfigMap {box.names.sshd.name} belongs to someone else" in outcome.error.message
    assert box.live(box.names.sshd) == before


async def test_a_failed_run_records_what_it_made_so_that_it_can_be_destroyed(
    engine: Engine, keys: Keys, box: Box
) -> None:
    box.cluster.apply(foreign_config_map(box))
    await box.up(engine, keys)
    made = set(box.uids()) - {f"ConfigMap {box.names.sshd.name}"}
    assert {f"{child.kind} {child.name}" for child in checkpoint.children(box.state)} == made
    assert (await box.destroy(engine, keys)).error is None
    assert set(box.uids()) == {f"ConfigMap {box.names.sshd.name}"}


async def test_an_object_that_took_a_recorded_name_is_not_destroyed(
    engine: Engine, keys: Keys, box: Box
) -> None:
    """The engine deletes by name: the admission policy is what stops it."""
    await box.up(engine, keys)
    box.cluster.kubectl("delete", "configmap", box.names.sshd.name, f"--namespace={box.owner.namespace}")
    box.cluster.apply(foreign_config_map(box))
    before = box.live(box.names.sshd)
    outcome = await box.destroy(engine, keys)
    assert isinstance(outcome.error, StalledError)
    assert outcome.error.reason == "NameConflict"
    assert box.live(box.names.sshd) == before


async def test_a_child_that_the_api_server_refuses_stalls(
    engine: Engine, keys: Keys, make_box: MakeBox
) -> None:
    box = make_box(home=HOME | {"storageClassName": "one"})
    await box.up(engine, keys)
    before = box.uids()
    box.spec = {"home": HOME | {"storageClassName": "another"}}
    outcome = await box.up(engine, keys)
    assert isinstance(outcome.error, StalledError)
    assert outcome.error.reason == "Rejected"
    assert box.uids() == before, "the data is where it was"


# --- secrets


async def test_private_keys_are_encrypted_in_the_state_and_can_be_revealed(
    engine: Engine, keys: Keys, box: Box
) -> None:
    await box.up(engine, keys)
    encoded = base64.b64encode(PRIVATE_KEY.encode())
    assert PRIVATE_KEY.encode() not in box.state
    assert encoded not in box.state
    assert checkpoint.contents(box.state).salt == keys.salt
    revealed = await engine.reveal(box.stack, box.state, keys)
    assert checkpoint.secret_data(revealed, box.names.host_keys) == {"ssh_host_ed25519_key": PRIVATE_KEY}


async def test_a_state_cannot_be_read_with_another_passphrase(engine: Engine, keys: Keys, box: Box) -> None:
    await box.up(engine, keys)
    with pytest.raises(EngineFailedError, match="passphrase"):
        await engine.reveal(box.stack, box.state, Keys("another passphrase", keys.salt))


# --- directories, processes, deadlines


async def test_runs_happen_in_private_directories_that_are_gone_afterwards(
    engine: Engine, keys: Keys, box: Box, settings: Settings, runs_dir: Path
) -> None:
    assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700
    await box.up(engine, keys)
    await box.destroy(engine, keys)
    assert os.listdir(runs_dir) == []
    assert processes_of_runs(settings) == []


async def test_a_run_that_passes_its_deadline_leaves_neither_processes_nor_directories(
    settings: Settings, keys: Keys, box: Box, tmp_path: Path
) -> None:
    hasty = settings.model_copy(update={"run_dir": tmp_path / "run", "run_deadline_s": 0.05})
    with open_engine(hasty) as engine:
        outcome = await box.up(engine, keys)
        assert isinstance(outcome.error, EngineTimeoutError)
        assert outcome.checkpoint is None
        assert os.listdir(hasty.run_dir / "runs") == []
        assert processes_of_runs(hasty) == []


async def test_an_engine_that_is_closed_leaves_no_process(
    settings: Settings, keys: Keys, box: Box, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"run_dir": tmp_path / "run"})
    with open_engine(own) as engine:
        assert (await box.up(engine, keys)).error is None
    marked = [
        process
        for process in psutil.process_iter(["environ"])
        if str(own.run_dir) in (process.info["environ"] or {}).get(BACKEND_VARIABLE, "")
    ]
    psutil.wait_procs(marked, timeout=PATIENCE_S)
    assert [process for process in marked if process.is_running() and process.status() != "zombie"] == []


def test_a_run_directory_belongs_to_one_engine_at_a_time(settings: Settings, engine: Engine) -> None:
    with pytest.raises(EngineError, match="another reconciler uses"), open_engine(settings):
        pass
