"""Warnings before a DevServer's end, in the file that the ConfigMap brings: to those logged in, and at each login."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.kube import eventually
from tests.images.container import AT_ONCE_S, Container
from tests.patience import generous

pytestmark = pytest.mark.images

NewContainer = Callable[[str], Container]

# The start script looks every 5 s.
DEADLINE_S = generous(5)


@contextmanager
def session(container: Container, command: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = container.open_session(command, output)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def due(seconds: float = 0) -> int:
    return int(time.time() + seconds)


def test_each_warning_is_shown_once_to_those_logged_in_and_at_login_until_the_end_is_moved(
    new_container: NewContainer, tmp_path: Path
) -> None:
    container = new_container("bare")
    container.start()
    shown = tmp_path / "shown"
    with session(container, "exec cat", shown):
        first, second = "ends in less than 60 minutes", "ends in less than 15 minutes"
        # The first is overtaken by the second before anyone saw it; the third lies ahead.
        lines = ((due(-100), first), (due(-1), second), (due(1000), "ends in less than 5 minutes"))
        container.publish(warnings="".join(f"{time} box {text}\n" for time, text in lines))
        eventually(lambda: b"\r\nbox " in shown.read_bytes(), "the warning is on the terminal", DEADLINE_S)
        eventually(lambda: second in container.login(), "the warning is shown at login", DEADLINE_S)
        assert "Welcome, dev!" in container.login()
        assert first not in container.login()

        container.publish(motd="Extended.\n", warnings=f"{due(5000)} box ends in less than 60 minutes\n")
        eventually(lambda: second not in container.login(), "the warning is taken back", DEADLINE_S)
        assert "Extended." in container.login()
        container.publish(warnings=f"{due()} box is about to end\n")
        eventually(lambda: b"about to end" in shown.read_bytes(), "the new end is warned of, too", DEADLINE_S)
    assert shown.read_text().split() == f"box {second} box is about to end".split()


def test_a_terminal_that_is_stopped_holds_up_no_other_and_nothing_is_evaluated(
    new_container: NewContainer, tmp_path: Path
) -> None:
    container = new_container("busybox")
    hostile = "$(touch /evil) `touch /evil` \x1b[2J\x07 %s \\n %n \x9b1m ü \t; touch /evil"
    odd = f"later box is odd\n-1 box is odd\n\n{due()}\n{due()} {hostile}{'x' * 2000}\n99999999999999999999 no\n"
    shown = tmp_path / "shown"
    container.start()
    network = ["nsenter", f"--net=/proc/{container.init_pid}/ns/net", "--"]
    words = ["ssh", "-tt", *container.options(), "-p", "2222", "dev@127.0.0.1", "yes"]
    # Nobody reads what it prints, until it can print no more.
    stopped = subprocess.Popen([*network, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        with session(container, "stty -echo; exec cat", shown):
            container.publish(warnings=odd)
            eventually(lambda: b"$(touch" in shown.read_bytes(), "the warning is on the terminal", DEADLINE_S)
            eventually(lambda: "$(touch" in container.login(), "the warning is shown at login", DEADLINE_S)
    finally:
        stopped.kill()
        stopped.communicate()
    text = shown.read_bytes()
    assert text.strip().startswith(b"$(touch /evil) `touch /evil` [2J %s \\n %n 1m  ; touch /evilxxx")
    assert b"odd" not in text
    assert len(text) < 1100
    assert not text.strip(b"\r\n").strip(bytes(range(32, 127)))
    assert not list(container.upper.glob("**/evil*"))


def test_a_file_that_is_missing_for_a_while_ends_nothing(new_container: NewContainer) -> None:
    container = new_container("busybox")
    container.start()
    (container.dir / "config/warnings").unlink()
    eventually(lambda: "/etc/devserver/warnings" in container.log.read_text(), "it noticed", DEADLINE_S)
    container.publish(warnings=f"{due()} box ends\n")
    eventually(lambda: "box ends" in container.login(), "the warning is shown at login", DEADLINE_S)
    assert container.stop() < generous(AT_ONCE_S)
