"""`--help` and completion are quick: the command line is there before anything slow is loaded."""

import subprocess
import sys

SLOW = ("cryptography", "kubernetes", "pydantic", "rich", "urllib3", "websocket", "yaml")


def test_the_command_line_loads_nothing_slow() -> None:
    program = f"import sys, devctl.app; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
