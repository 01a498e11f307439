"""Pid 1 of the cluster's namespaces: prepares them, starts the components in order and keeps them running.

Runs as a script of its own, with the standard library only, so that it starts at once and stays small:
`python -I -S supervisor.py STATE_DIRECTORY`. It reads plan.json there and writes components.json. A file
stopped/NAME says that a component should be stopped: it is looked at all the time, so no wish can be lost.

When this process dies, the kernel kills everything else in the namespaces and removes them.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/run",
    "LANG": "C.UTF-8",
}
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
TICK_S = 0.1
PROBE_TIMEOUT_S = 0.5
FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 10.0
# A component that ran this long was well: the next death counts as the first again.
WELL_AFTER_S = 30.0
GRACE_S = 10.0


@dataclass
class Component:
    """One component and how it fares; times in seconds, `started_at` since the epoch, others monotonic."""

    name: str
    argv: list[str]
    after: list[str]
    ready: str
    once: bool
    phase: str = "waiting"
    pid: int = 0
    started_at: float = 0.0
    restarts: int = 0
    last_exit: str = ""
    failures: int = 0
    began: float = 0.0
    retry_at: float = 0.0
    kill_at: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether what comes after this component may start."""
        return self.phase in ("ready", "done")

    def start(self, log: Path, now: float) -> None:
        """Run the program in a session of its own, its output appended to `log`."""
        streams: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self.phase, self.began, self.started_at, self.kill_at = "starting", now, time.time(), 0.0
        try:
            self.pid = os.posix_spawn(
                self.argv[0], self.argv, ENVIRONMENT, file_actions=streams, setsigmask=[], setsid=True
            )
        except OSError as error:
            self.failed(f"cannot run: {error}", now)
        else:
            say(f"{self.name} started, pid {self.pid}")

    def ended(self, status: int, now: float) -> None:
        """Take note of the process's end; `status` as waitpid gives it."""
        self.pid = 0
        code = os.waitstatus_to_exitcode(status)
        if self.once and code == 0:
            self.phase = "done"
        elif self.kill_at:
            self.phase = "stopped"
        else:
            self.failed(f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}", now)

    def failed(self, reason: str, now: float) -> None:
        """Take note of a failure and when to try again: later after each failure in a row."""
        self.failures = 1 if now - self.began > WELL_AFTER_S else self.failures + 1
        self.retry_at = now + min(FIRST_BACKOFF_S * 2 ** (self.failures - 1), LONGEST_BACKOFF_S)
        self.restarts += 1
        self.phase, self.last_exit = "backoff", reason
        say(f"{self.name} failed, {reason}; next start in {self.retry_at - now:.1f} s")

    def stop(self, now: float) -> None:
        """Ask the process to end; after the grace time, kill it."""
        if not self.kill_at:
            self.kill_at, self.phase = now + GRACE_S, "stopping"
            os.kill(self.pid, signal.SIGTERM)
        elif now > self.kill_at:
            os.kill(self.pid, signal.SIGKILL)

    def report(self) -> dict[str, Any]:
        """What components.json says; `pid` is the one inside the namespace, 0 when not running."""
        return {key: getattr(self, key) for key in ("phase", "pid", "started_at", "restarts", "last_exit")}


class Supervisor:
    """Drives all components, one small step at a time."""

    def __init__(self, root: Path, components: list[Component]) -> None:
        self.root = root
        self.components = {component.name: component for component in components}
        self.tls = ssl.create_default_context(cafile=str(root / "pki/ca.crt"))
        self.tls.load_cert_chain(root / "pki/admin.crt", root / "pki/admin.key")
        self.written = ""

    def run(self) -> None:
        """Supervise until told to end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while True:
            self.reap()
            for component in self.components.values():
                self.step(component, time.monotonic())
            self.write()
            received = signal.sigtimedwait(SIGNALS, TICK_S)
            if received and received.si_signo != signal.SIGCHLD:
                say(f"ending: {signal.Signals(received.si_signo).name}")
                return

    def reap(self) -> None:
        """Collect every dead child, orphans of the containers' shims too."""
        by_pid = {component.pid: component for component in self.components.values() if component.pid}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                by_pid[pid].ended(status, time.monotonic())

    def step(self, component: Component, now: float) -> None:
        """Bring one component nearer to what it should be."""
        wanted = not (self.root / "stopped" / component.name).exists()
        if component.pid and (not wanted or component.phase == "stopping"):
            component.stop(now)
        elif not wanted:
            component.phase = "stopped"
        elif component.pid:
            if component.phase == "starting" and not component.once and self.answers(component.ready):
                component.phase = "ready"
                say(f"{component.name} ready after {time.monotonic() - component.began:.1f} s")
        elif component.phase != "done" and now >= component.retry_at and self.may_start(component):
            component.start(self.root / "logs" / f"{component.name}.log", now)

    def may_start(self, component: Component) -> bool:
        """Whether all that must be ready before it is."""
        return all(self.components[name].is_ready for name in component.after)

    def answers(self, address: str) -> bool:
        """Whether a readiness address answers: tcp and unix accept a connection, http and https say 200."""
        url = urlsplit(address)
        host, port = url.hostname or "", url.port or 0
        try:
            if url.scheme == "unix":
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(url.path)
                return True
            if url.scheme == "tcp":
                socket.create_connection((host, port), PROBE_TIMEOUT_S).close()
                return True
            if url.scheme == "https":
                return says_ok(
                    HTTPSConnection(host, port, timeout=PROBE_TIMEOUT_S, context=self.tls), url.path
                )
            return says_ok(HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S), url.path)
        except (OSError, HTTPException):
            return False

    def write(self) -> None:
        """Keep components.json up to date, replaced as a whole."""
        text = json.dumps({name: component.report() for name, component in self.components.items()}, indent=1)
        if text != self.written:
            draft = self.root / ".components.json.new"
            draft.write_text(text)
            draft.replace(self.root / "components.json")
            self.written = text


def says_ok(connection: HTTPConnection, path: str) -> bool:
    """Whether the answer to a GET request has the status 200."""
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK


def say(text: str) -> None:
    """Write a line to the supervisor's log."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main(state: Path) -> None:
    """Prepare the namespaces as the plan says, then supervise its components."""
    plan = json.loads((state / "plan.json").read_text())
    # The other end of the link is put here from outside.
    while plan["interface"] not in (name for _, name in socket.if_nameindex()):
        time.sleep(0.01)
    for command in plan["setup"]:
        subprocess.run(command, env=ENVIRONMENT, check=True)
    Supervisor(Path(plan["root"]), [Component(**component) for component in plan["components"]]).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
