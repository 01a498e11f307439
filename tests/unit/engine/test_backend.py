"""External backends: what is asked of the CLI, what its failures mean, and what is never shown."""

import json
import socket
from pathlib import Path

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import CommandError, create_command_error

from reconciler.engine.backend import ExternalBackend, PrivateDirectory, RunPlace
from reconciler.state import checkpoint as checkpoints
from reconciler.state.diagnosis import Problem, Unusable
from reconciler.status.errors import TransientError
from tests.unit.state.test_checkpoint import STACK, entry, state
from tests.unit.state.test_diagnosis import ID, SSHD

URL = "postgres://ada:s3cr%40t@db:5432/pulumi?sslmode=disable&table=t"
BACKEND = ExternalBackend(URL)
CONTENT = state(entry(SSHD))


class Cli:
    """A CLI with these answers by the command's first words; `ran`: the commands."""

    def __init__(self, tmp_path: Path, **answers: str | CommandError) -> None:
        self.answers = answers
        self.ran: list[str] = []
        self.run = RunPlace(ID.stack, tmp_path, self.command)

    def command(self, *args: str) -> str:
        words = " ".join(args)
        self.ran.append(words.split(" --")[0])
        for name, answer in self.answers.items():
            if words.startswith(name.replace("_", " ")):
                if isinstance(answer, CommandError):
                    raise answer
                return answer
        return ""


def failure(stderr: str) -> CommandError:
    return create_command_error(CommandResult(stdout="", stderr=stderr, code=255))


def exported(content: bytes) -> str:
    return json.dumps({"version": 3, "deployment": checkpoints.deployment(content)})


# --- its address


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        (URL, URL),
        ("file:///var/states", "file:///var/states?metadata=skip"),
        ("file:///var/states?create_dir=true", "file:///var/states?create_dir=true&metadata=skip"),
        ("file:///var/states?metadata=skip", "file:///var/states?metadata=skip"),
        ("s3://states?region=eu-1", "s3://states?region=eu-1"),
    ],
)
def test_a_directory_is_opened_without_files_of_attributes(url: str, opened: str, tmp_path: Path) -> None:
    assert ExternalBackend(url).environment(tmp_path) == {"PULUMI_BACKEND_URL": opened}


# --- what it holds


def test_what_is_exported_is_the_checkpoint(tmp_path: Path) -> None:
    assert BACKEND.find(Cli(tmp_path, stack_export=exported(CONTENT)).run) == CONTENT


@pytest.mark.parametrize(
    ("stderr", "problem"),
    [
        (f"error: no stack named '{ID.stack}' found", Problem.MISSING),
        ("error: failed to load checkpoint: place 1: unexpected end of JSON input", Problem.DAMAGED),
        ("error: failed to load checkpoint: place 1: invalid character 'o' in literal null", Problem.DAMAGED),
        ("error: failed to load checkpoint: json: cannot unmarshal number into Go struct", Problem.DAMAGED),
        ("error: failed to load checkpoint: unsupported checkpoint version 9", Problem.DAMAGED),
    ],
)
def test_a_checkpoint_that_is_gone_or_damaged_is_told_apart(
    stderr: str, problem: Problem, tmp_path: Path
) -> None:
    found = BACKEND.find(Cli(tmp_path, stack_export=failure(stderr)).run)
    assert isinstance(found, Unusable)
    assert found.problem is problem


def test_a_backend_that_is_away_is_no_damage(tmp_path: Path) -> None:
    away = failure("error: failed to load checkpoint: dial tcp: connection refused")
    with pytest.raises(CommandError):
        BACKEND.find(Cli(tmp_path, stack_export=away).run)


# --- before a run


def test_a_state_that_is_there_already_is_not_written(tmp_path: Path) -> None:
    cli = Cli(tmp_path, stack_export=exported(CONTENT))
    BACKEND.give(cli.run, CONTENT)
    assert cli.ran == ["stack export"]


@pytest.mark.parametrize(
    ("found", "commands"),
    [
        (failure("error: no stack named 'x' found"), ["stack init " + ID.stack, "stack import"]),
        (failure("failed to load checkpoint: unexpected end of JSON"), ["stack import"]),
        (exported(state(entry(SSHD), pending_operations=[{"type": "creating"}])), ["stack import"]),
    ],
    ids=["a new stack", "a damaged one", "one with operations that were begun"],
)
def test_a_state_that_differs_is_brought_in_line(
    found: str | CommandError, commands: list[str], tmp_path: Path
) -> None:
    cli = Cli(tmp_path, stack_export=found)
    BACKEND.give(cli.run, CONTENT)
    assert cli.ran == ["stack export", *commands]
    written = json.loads((tmp_path / "deployment.json").read_text())
    assert written == {"version": 3, "deployment": checkpoints.deployment(CONTENT)}


def test_operations_that_were_begun_are_taken_out() -> None:
    begun = state(entry(SSHD), pending_operations=[{"type": "creating"}])
    assert checkpoints.settled(begun) == CONTENT
    assert checkpoints.settled(CONTENT) is CONTENT


def test_removing_what_is_gone_is_fine(tmp_path: Path) -> None:
    BACKEND.remove(Cli(tmp_path, stack_rm=failure("error: no stack named 'x' found")).run)
    with pytest.raises(CommandError):
        BACKEND.remove(Cli(tmp_path, stack_rm=failure("error: no")).run)


def test_a_damaged_stack_is_made_readable_to_be_removed(tmp_path: Path) -> None:
    damaged = failure("error: failed to load checkpoint: unexpected end of JSON input")
    cli = Cli(
        tmp_path, stack_export=damaged, stack_rm=failure("error: place 1: unexpected end of JSON input")
    )
    with pytest.raises(CommandError):
        BACKEND.remove(cli.run)
    assert cli.ran == ["stack rm", "stack export", "stack import", "stack rm"]


@pytest.mark.parametrize(
    ("printed", "stack"),
    [
        (
            {"resources": [{"urn": "urn:pulumi:devserver-1::devserver::pulumi:pulumi:Stack::x"}]},
            "devserver-1",
        ),
        ({"resources": [{"urn": 5}]}, "own"),
        ({"resources": ["urn:pulumi:devserver-1::"]}, "own"),
        ({}, "own"),
        (None, "own"),
    ],
)
def test_an_exported_deployment_is_of_the_stack_that_its_resources_name(printed: object, stack: str) -> None:
    """The file of one stack may have been copied over that of another."""
    found = checkpoints.of_deployment("own", json.dumps({"version": 3, "deployment": printed}))
    assert json.loads(found)["checkpoint"]["stack"] == f"organization/devserver/{stack}"


@pytest.mark.parametrize("printed", ["[]", "5", '{"deployment": 5}', "{"])
def test_what_is_no_deployment_is_an_error(printed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        checkpoints.of_deployment("own", printed)


# --- locks


def locked(holder: str, count: int = 1) -> str:
    return f"error: the stack is currently locked by {count} lock(s).\n  x.json: created by {holder}"


def test_a_lock_of_the_dead_is_taken_away(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    dead = BACKEND.recover(
        cli.run, locked(f"root@{socket.gethostname()} (pid 4194999) at 2030-01-01T08:00:00Z"), ()
    )
    assert (dead, cli.ran) == (True, ["cancel"])


@pytest.mark.parametrize("count", [1, 2])
def test_a_lock_that_may_be_of_the_living_is_waited_for_and_its_holder_named(
    count: int, tmp_path: Path
) -> None:
    cli = Cli(tmp_path)
    with pytest.raises(TransientError, match=r"locked by .*; waiting") as error:
        BACKEND.recover(cli.run, locked("ada@laptop (pid 17) at 2030-01-01T08:00:00Z", count), ())
    assert error.value.reason == "StateLocked"
    assert "ada@laptop (pid 17)" in error.value.message
    assert cli.ran == []


def test_a_failed_run_is_no_matter_of_the_backend(tmp_path: Path) -> None:
    assert not BACKEND.recover(Cli(tmp_path).run, "error: update failed", ())
    assert not PrivateDirectory().recover(Cli(tmp_path).run, locked("x@y (pid 1) at z"), ())


@pytest.mark.parametrize("length", [0, 1, len(CONTENT) // 2, len(CONTENT) - 1])
def test_a_state_that_was_cut_off_by_a_full_disk_is_no_state(tmp_path: Path, length: int) -> None:
    run, backend = Cli(tmp_path).run, PrivateDirectory()
    backend.give(run, CONTENT)
    assert backend.take(run) == CONTENT
    (file,) = tmp_path.rglob(f"{ID.stack}.json")
    file.write_bytes(CONTENT[:length])
    with pytest.raises(TransientError, match="incomplete state"):
        backend.take(run)


# --- what is shown


@pytest.mark.parametrize(
    "text",
    [
        f'unable to open state database "{URL}": failed to ping',
        "pq: password s3cr@t is wrong",
        "dial sslmode=disable&table=t",
    ],
)
def test_passwords_are_not_shown(text: str) -> None:
    shown = BACKEND.redacted(text)
    assert not any(secret in shown for secret in ("s3cr%40t", "s3cr@t", "table=t"))


def test_what_is_no_secret_is_shown() -> None:
    assert BACKEND.redacted(f"cannot open {URL}") == "cannot open postgres://db:5432/pulumi"
    assert ExternalBackend("file:///var/states").redacted("/var/states") == "/var/states"


# --- the outline in the Secret


def test_an_outline_names_children_and_holds_no_secret() -> None:
    secret = {"data": {"key": {"4dabf18193072939515e22adb298388d": "x", "ciphertext": "hidden"}}}
    outputs = {"metadata": {"resourceVersion": "7"}, "data": {"key": "hidden"}}
    whole = state(entry(SSHD, inputs=secret, outputs=outputs), secrets_providers={"state": {"salt": "v1:s"}})
    outline = checkpoints.outline(whole)
    assert checkpoints.recorded(outline) == checkpoints.recorded(whole)
    assert checkpoints.contents(outline).salt == "v1:s"
    assert b"hidden" not in outline
    assert checkpoints.contents(outline).is_outline


def test_an_outline_of_a_stack_without_children_is_not_blank() -> None:
    assert not checkpoints.contents(checkpoints.outline(state())).is_blank
    assert STACK["urn"].encode() in checkpoints.outline(state())
