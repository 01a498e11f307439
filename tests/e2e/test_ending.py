"""A DevServer whose end draws near tells those who are logged in, in the real node."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.kube import Kube, SshKey, devserver, eventually, ssh_command
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.cluster


def motd(namespace: Kube, key: SshKey) -> str:
    """What a login shows."""
    words = ssh_command(namespace, "box", key, "-tt")
    return subprocess.run(words, input="exit\n", capture_output=True, text=True, timeout=PATIENCE_S).stdout


def end_of(namespace: Kube, other_than: str = "") -> str:
    """When it ends, as the status says; empty if that is still the other end."""
    ends = str((namespace.get("dvs", "box") or {})["status"]["expiresAt"])
    return "" if ends == other_than else ends


def test_the_end_is_announced_on_terminals_and_at_login_until_it_is_put_off(
    namespace: Kube, tmp_path: Path
) -> None:
    key = SshKey.make(tmp_path)
    # Some time before the first warning.
    spec = {"running": True, "image": "local/busybox:1", "lifecycle": {"timeToLive": "1h30m"}}
    namespace.apply(devserver("box", key, **spec))
    namespace.wait_ready("dvs", "box")
    before = motd(namespace, key)
    ends = end_of(namespace)
    for part in ("alice@example.com", "tiny", ends, '"timeToLive":"10h"'):
        assert part in before
    assert "ends in less" not in before

    shown = tmp_path / "terminal"
    with shown.open("wb") as output:
        session = subprocess.Popen(
            ssh_command(namespace, "box", key, "-tt"), stdin=subprocess.PIPE, stdout=output
        )
    try:
        eventually(lambda: ends in shown.read_text(), "someone is logged in")
        # The last warning is due 20 s after the creation; for the others there is no time.
        namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "5m20s"}})
        ends = eventually(lambda: end_of(namespace, other_than=ends), "the end is nearer")
        warning = f"DevServer box ends in less than 5 minutes, at {ends}. To extend it: kubectl -n"
        eventually(lambda: warning in shown.read_text(), "the terminal shows the warning")
    finally:
        session.kill()
        session.communicate()
    assert shown.read_text().count("ends in less") == 1
    assert warning in motd(namespace, key)
    told = eventually(lambda: namespace.condition("dvs", "box", "Expiring"), "the condition says so, too")
    assert told["reason"] == "EndsIn5Minutes"

    namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "9h"}})
    namespace.wait_applied("box")
    # The kubelet looks at once at a pod that changes; otherwise within its period.
    namespace("annotate", "pod", "box-0", "looked=at")
    ends = end_of(namespace)
    eventually(lambda: ends in motd(namespace, key), "logins show the new end")
    eventually(lambda: "ends in less" not in motd(namespace, key), "the warning is taken back")
