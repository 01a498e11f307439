"""The watchdog's process: `python -I -S watchdog_process.py PID MARK`. The standard library alone, to be small.

It is told on its standard input, as doubles, until when its parent, the reconciler PID, may act by CLOCK_BOOTTIME.
When that has passed, it kills the reconciler: its loop is blocked, or it was stopped. When the reconciler is dead
(the input ends), it kills what that has left behind: every process whose environment holds MARK.
"""

import os
import select
import signal
import struct
import sys
import time

# The reconciler gives up at the deadline by itself, if it can.
_GRACE_S = 0.5
# The longest wait: while the machine sleeps, waiting stands still and the time to act runs on.
_LONGEST_WAIT_S = 1.0
_ROUNDS = 40
_PAUSE_S = 0.05


def main() -> None:
    """Watch until the reconciler has ended or must be ended."""
    reconciler, mark = int(sys.argv[1]), sys.argv[2].encode()
    wait_for_end(reconciler)
    for _ in range(_ROUNDS):
        # Again until none is found: one may have started another meanwhile.
        if not kill_marked(mark):
            return
        time.sleep(_PAUSE_S)


def wait_for_end(reconciler: int) -> None:
    """Return when the reconciler is dead, if need be by our hand."""
    until_s = float("inf")
    readable = select.poll()
    readable.register(0, select.POLLIN)
    while True:
        left_s = until_s + _GRACE_S - time.clock_gettime(time.CLOCK_BOOTTIME)
        # What was said while we did not run counts before the deadline does.
        if readable.poll(max(0.0, min(left_s, _LONGEST_WAIT_S)) * 1000):
            said = os.read(0, 4096)
            if not said:
                return
            (until_s,) = struct.unpack("d", said[-8:])
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


if __name__ == "__main__":
    main()
