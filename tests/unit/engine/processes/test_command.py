"""How a Pulumi command is run and ended, with a shell script in place of the CLI."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pulumi.automation.errors import CommandError, ConcurrentUpdateError
from semver import VersionInfo

from reconciler.engine.processes.command import PulumiProcess
from reconciler.engine.processes.process_tree import BACKEND_VARIABLE
from reconciler.engine.processes.provider import PrivateProviders
from reconciler.engine.processes.result import EngineDiedError, RunKilledError
from tests.patience import PATIENCE_S, generous

VERSION = VersionInfo.parse("3.0.0")
ALL_DAY_S = 86400.0
MakeCli = Callable[..., PulumiProcess]


@pytest.fixture
def make_cli(tmp_path: Path) -> MakeCli:
    """A CLI that is this shell script."""

    def make(script: str, deadline_s: float = PATIENCE_S) -> PulumiProcess:
        path = tmp_path / "pulumi"
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
        path.chmod(0o755)
        return PulumiProcess(path, VERSION, deadline_s, PrivateProviders())

    return make


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], BACKEND_VARIABLE: f"file://{tmp_path}/runs/one"}


def pids_in(file: Path, count: int) -> list[psutil.Process]:
    """The processes whose pids the script wrote, as soon as it has."""
    deadline = time.monotonic() + PATIENCE_S
    while not file.exists() or len(file.read_text().split()) < count:
        assert time.monotonic() < deadline, "the script did not start"
        time.sleep(0.01)
    return [psutil.Process(int(pid)) for pid in file.read_text().split()]


def assert_dead(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=generous(5))
    alive = [process for process in alive if is_running(process)]
    for process in alive:
        process.kill()
    assert alive == []


def is_running(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


# --- a command that ends


def test_a_command_gets_its_arguments_directory_and_nothing_but_the_given_environment(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    cli = make_cli('echo "$@"; pwd; echo "${LEAKED-unset} $GIVEN"')
    result = cli.run(["up", "--stack", "a b"], str(tmp_path), {**env, "GIVEN": "value"})
    assert result.stdout.splitlines() == ["--non-interactive up --stack a b", str(tmp_path), "unset value"]
    assert (result.stderr, result.code) == ("", 0)


def test_output_is_handed_on_line_by_line(make_cli: MakeCli, env: dict[str, str], tmp_path: Path) -> None:
    out: list[str] = []
    err: list[str] = []
    cli = make_cli("echo one; echo two; echo three >&2; printf '\\377'")
    cli.run(["up"], str(tmp_path), env, on_output=out.append, on_error=err.append)
    assert (out, err) == (["one", "two", "\ufffd"], ["three"])


def test_a_failed_command_is_an_error_with_what_it_said(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    cli = make_cli("echo some words >&2; exit 3")
    with pytest.raises(CommandError, match=r"code: 3[\s\S]*some words"):
        cli.run(["up"], str(tmp_path), env)


def test_errors_that_the_automation_api_knows_keep_their_types(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    cli = make_cli("echo 'error: [409] Conflict: Another update is currently in progress.' >&2; exit 255")
    with pytest.raises(ConcurrentUpdateError):
        cli.run(["up"], str(tmp_path), env)


def test_a_command_reads_nothing_from_the_terminal(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    assert make_cli("cat; echo end").run(["up"], str(tmp_path), env).stdout == "end\n"


@pytest.mark.parametrize(
    "args",
    [["stack", "select", "--stack", "x"], ["stack", "output", "--json"], ["stack", "history", "--json"]],
)
def test_what_the_automation_api_asks_around_every_run_starts_no_process(args: list[str]) -> None:
    cli = PulumiProcess(Path("/nowhere/pulumi"), VERSION, 1.0, PrivateProviders())
    result = cli.run(args, "/nowhere", {})
    assert result.code == 0
    assert not result.stdout or json.loads(result.stdout) is not None


# --- a command that is ended


def test_a_command_that_passes_its_deadline_is_killed(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    began = time.monotonic()
    with pytest.raises(RunKilledError, match=r"killed after 0\.3 s"):
        make_cli("sleep 60", deadline_s=0.3).run(["up"], str(tmp_path), env)
    assert time.monotonic() - began < generous(5)


def test_children_die_too_though_they_left_the_process_group(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    """Provider plugins start in a group of their own and outlive a killed CLI."""
    script = f"""\
        setsid sh -c 'setsid sleep 60 & echo $! >>{tmp_path}/pids; sleep 60' &
        echo $! $$ >>{tmp_path}/pids
        wait
    """
    with pytest.raises(RunKilledError):
        make_cli(script, deadline_s=2).run(["up"], str(tmp_path), env)
    assert_dead(pids_in_dead(tmp_path / "pids", 3))


def pids_in_dead(file: Path, count: int) -> list[psutil.Process]:
    """Like pids_in, leaving out those that are gone already."""
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == count
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def test_orphans_of_the_run_die_too(make_cli: MakeCli, env: dict[str, str], tmp_path: Path) -> None:
    """A process whose parent has ended is no descendant any more; its environment tells whose it is."""
    script = f"(setsid sleep 60 & echo $! >{tmp_path}/pids); sleep 60"
    with pytest.raises(RunKilledError):
        make_cli(script, deadline_s=2).run(["up"], str(tmp_path), env)
    assert_dead(pids_in_dead(tmp_path / "pids", 1))


def test_processes_of_other_runs_stay(make_cli: MakeCli, env: dict[str, str], tmp_path: Path) -> None:
    other = {**env, BACKEND_VARIABLE: f"file://{tmp_path}/runs/two"}
    with subprocess.Popen(["sleep", "60"], env=other) as neighbour:
        with pytest.raises(RunKilledError):
            make_cli("sleep 60", deadline_s=0.3).run(["up"], str(tmp_path), env)
        assert neighbour.poll() is None
        neighbour.kill()


def test_a_run_can_be_killed_from_another_thread(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    cli = make_cli(f"echo $$ >{tmp_path}/pids; sleep 60", deadline_s=ALL_DAY_S)
    killer = threading.Thread(target=lambda: (pids_in(tmp_path / "pids", 1), cli.kill()))
    killer.start()
    with pytest.raises(RunKilledError, match="because the reconciler stops"):
        cli.run(["up"], str(tmp_path), env)
    killer.join()
    assert_dead(pids_in_dead(tmp_path / "pids", 1))


def test_later_commands_of_a_killed_run_do_not_start(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    cli = make_cli(f"sleep 0.5; touch {tmp_path}/done", deadline_s=ALL_DAY_S)
    cli.kill()
    with pytest.raises(RunKilledError):
        cli.run(["up"], str(tmp_path), env)
    assert not (tmp_path / "done").exists()


def test_a_command_that_someone_else_ended_says_so(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(EngineDiedError, match="signal 9"):
        make_cli("kill -KILL $$").run(["up"], str(tmp_path), env)


def test_a_command_dies_with_the_process_that_runs_it(
    make_cli: MakeCli, env: dict[str, str], tmp_path: Path
) -> None:
    """However it dies: nothing in this process gets to run."""
    cli = make_cli(f"echo $$ >{tmp_path}/pids; exec sleep 60", deadline_s=ALL_DAY_S)
    program = f"""
from pathlib import Path
from semver import VersionInfo
from reconciler.engine.processes.provider import PrivateProviders
from reconciler.engine.processes.command import PulumiProcess
cli = PulumiProcess(Path({cli.command!r}), VersionInfo.parse("3.0.0"), {ALL_DAY_S}, PrivateProviders())
cli.run(["up"], {str(tmp_path)!r}, {env!r})
"""
    with subprocess.Popen([sys.executable, "-c", program]) as reconciler:
        processes = pids_in(tmp_path / "pids", 1)
        reconciler.send_signal(signal.SIGKILL)
    assert_dead(processes)
