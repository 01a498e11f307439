"""Commands in a container, by the websocket of `pods/exec`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import websocket
import yaml

from crds.resources import POD
from devctl.errors import DevctlError, NoAnswer, TimedOut
from devctl.kube.api import Api
from devctl.kube.websockets import ERROR, STDERR, STDIN, STDOUT, end_input, opened, receive, send

# v5 can say that standard input has ended.
EXEC_PROTOCOLS = "v5.channel.k8s.io,v4.channel.k8s.io"


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the newline at its end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


def exec_query(container: str, command: Sequence[str], stdin: bool, tty: bool) -> list[tuple[str, str]]:
    """The query of an exec request. The command is a list: no shell sees it."""
    flags = {"stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    given = [("container", container), *((name, "true") for name, value in flags.items() if value)]
    return [*given, *(("command", part) for part in command)]


def exit_code(status: bytes) -> int:
    """The exit code in the last message of an exec. Raises DevctlError if the command was not run."""
    try:
        answer = yaml.safe_load(status.decode(errors="replace")) or {}
    except yaml.YAMLError:
        answer = {}
    if answer.get("status") == "Success":
        return 0
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise DevctlError(f"The command did not run: {answer.get('message') or 'the connection broke'}")


def run(
    api: Api,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    stdin: bytes = b"",
    timeout_s: float | None = None,
) -> Completed:
    """Run a command and collect what it prints. Raises TimedOut after timeout_s; the command may go on then."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    output = {STDOUT: bytearray(), STDERR: bytearray(), ERROR: bytearray()}
    query = exec_query(container, command, stdin=True, tty=False)
    what = f"pod {pod} in {namespace}"
    with opened(api, POD.path(namespace, pod, "exec"), query, EXEC_PROTOCOLS, what) as connection:
        try:
            for start in range(0, len(stdin), 32768):
                send(connection, STDIN, stdin[start : start + 32768])
            end_input(connection)
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimedOut(f"{command[0]} in {pod} did not end within {timeout_s:g} s.")
                connection.settimeout(left)
                received = receive(connection)
                if received is None:
                    break
                if received[0] in output:
                    output[received[0]] += received[1]
        except websocket.WebSocketConnectionClosedException:
            # Not every API server says goodbye. Without a status, this is an error below.
            pass
        except websocket.WebSocketTimeoutException as error:
            raise TimedOut(f"{command[0]} in {pod} did not end within {timeout_s:g} s.") from error
        except (websocket.WebSocketException, OSError) as error:
            raise NoAnswer(f"{what}: the connection broke: {error}") from error
    return Completed(exit_code(bytes(output[ERROR])), bytes(output[STDOUT]), bytes(output[STDERR]))
