"""The watchdog's process: `python -I -S watchdog_process.py PID MARK [FD HOST PORT]`.

It imports only the standard library, to be small.

On its standard input it reads, as doubles, until when its parent, the reconciler PID, may act by CLOCK_BOOTTIME. Once
that time has passed it kills the reconciler, whose event loop is blocked or which was stopped. When the reconciler is
dead (the input ends), it kills what the reconciler left behind: every process whose environment holds MARK.

It also passes the engine's connections, which come to the listening socket FD, on to the API server at HOST and PORT.
Once the time to act has passed it passes nothing on, because a process that was asleep may send anything when it wakes.
"""

import os
import select
import signal
import socket
import struct
import sys
import threading
import time

# The reconciler gets this long to end by itself at the deadline.
_GRACE_S = 0.5
# Waits are short, because the time to act runs on while the machine sleeps and a wait does not.
_LONGEST_WAIT_S = 1.0
_ROUNDS = 40
_PAUSE_S = 0.05
_CONNECT_S = 10.0
_CHUNK_BYTES = 1 << 16


class Deadline:
    """Until when the reconciler may act. There is no limit before it leads."""

    def __init__(self) -> None:
        self.until_s = float("inf")

    def left_s(self) -> float:
        """The seconds that are left."""
        return self.until_s - time.clock_gettime(time.CLOCK_BOOTTIME)


def main() -> None:
    """Watch until the reconciler has ended or must be ended."""
    reconciler, mark = int(sys.argv[1]), sys.argv[2].encode()
    deadline = Deadline()
    if len(sys.argv) > 3:
        listening = socket.socket(fileno=int(sys.argv[3]))
        upstream = sys.argv[4], int(sys.argv[5])
        threading.Thread(target=serve, args=(listening, upstream, deadline), daemon=True).start()
    wait_for_end(reconciler, deadline)
    for _ in range(_ROUNDS):
        # Again until none is found: one may have started another meanwhile.
        if not kill_marked(mark):
            return
        time.sleep(_PAUSE_S)


def wait_for_end(reconciler: int, deadline: Deadline) -> None:
    """Return when the reconciler is dead. Kill it if its time to act has passed."""
    readable = select.poll()
    readable.register(0, select.POLLIN)
    while True:
        left_s = deadline.left_s() + _GRACE_S
        # Read first: a later deadline may have been sent while this process did not run.
        if readable.poll(max(0.0, min(left_s, _LONGEST_WAIT_S)) * 1000):
            received = os.read(0, 4096)
            if not received:
                return
            (deadline.until_s,) = struct.unpack("d", received[-8:])
        elif left_s <= 0:
            if os.getppid() == reconciler:
                os.kill(reconciler, signal.SIGKILL)
            return


def kill_marked(mark: bytes) -> int:
    """Kill every process that has `mark` in its environment; returns how many were found."""
    found = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as environ:
                is_marked = mark in environ.read().split(b"\0")
            if is_marked:
                found += 1
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            # It has ended, or it is someone else's.
            continue
    return found


def serve(listening: socket.socket, upstream: tuple[str, int], deadline: Deadline) -> None:
    """Pass on every connection, each in a thread of its own."""
    while True:
        client, _ = listening.accept()
        threading.Thread(target=pass_on, args=(client, upstream, deadline), daemon=True).start()


def pass_on(client: socket.socket, upstream: tuple[str, int], deadline: Deadline) -> None:
    """Pass one connection on until either side ends it."""
    try:
        server = socket.create_connection(upstream, _CONNECT_S)
    except OSError:
        cut(client)
        return
    server.settimeout(None)
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    answers = threading.Thread(target=copy, args=(server, client, None), daemon=True)
    answers.start()
    copy(client, server, deadline)
    answers.join()
    for end in (client, server):
        end.close()


def copy(source: socket.socket, sink: socket.socket, deadline: Deadline | None) -> None:
    """Copy one direction to its end. Reset both ends if it breaks, or once there is no time left to act."""
    try:
        while data := source.recv(_CHUNK_BYTES):
            if deadline is not None and deadline.left_s() <= 0:
                raise OSError
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            cut(end)


def cut(connection: socket.socket) -> None:
    """Reset the connection. A thread that waits for it gets an error."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


if __name__ == "__main__":
    main()
