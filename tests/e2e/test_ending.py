"""A DevServer whose end draws near tells those who are logged in, in the real node."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.kube import Kube, SshKey, devserver, eventually, ssh_command

pytestmark = pytest.mark.cluster


def motd(namespace: Kube, key: SshKey) -> str:
    """What a login shows."""
    words = ssh_command(namespace, "box", key, "-tt")
    return subprocess.run(words, input="exit\n", capture_output=True, text=True, timeout=30).stdout


def test_the_end_is_announced_on_terminals_and_at_login_until_it_is_put_off(
    namespace: Kube, tmp_path: Path
) -> None:
    key = SshKey.make(tmp_path)
    # The last warning is due 20 s after the creation; for the others there is no time.
    spec = {"running": True, "image": "local/busybox:1", "lifecycle": {"timeToLive": "5m20s"}}
    namespace.apply(devserver("box", key, **spec))
    namespace.wait_ready("dvs", "box")
    before = motd(namespace, key)
    ends = (namespace.get("dvs", "box") or {})["status"]["expiresAt"]
    for part in ("alice@example.com", "tiny", ends, '"timeToLive":"9h"'):
        assert part in before
    assert "ends in less" not in before

    warning = f"DevServer box ends in less than 5 minutes, at {ends}. To extend it: kubectl -n"
    shown = tmp_path / "terminal"
    with shown.open("wb") as output:
        session = subprocess.Popen(
            ssh_command(namespace, "box", key, "-tt"), stdin=subprocess.PIPE, stdout=output
        )
    try:
        eventually(lambda: warning in shown.read_text(), "the terminal shows the warning")
    finally:
        session.kill()
        session.communicate()
    assert shown.read_text().count("ends in less") == 1
    assert warning in motd(namespace, key)
    reason = namespace.condition("dvs", "box", "Expiring").get("reason")
    assert reason == "EndsIn5Minutes", "the condition says the same"

    namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "9h"}})
    namespace.wait_applied("box")
    # The kubelet looks at once at a pod that changes; otherwise within its period.
    namespace("annotate", "pod", "box-0", "looked=at")
    ends = (namespace.get("dvs", "box") or {})["status"]["expiresAt"]
    eventually(lambda: ends in motd(namespace, key), "logins show the new end", 60)
    eventually(lambda: "ends in less" not in motd(namespace, key), "the warning is taken back")
