"""What restarts a pod, and when; and how long a DevServer lives."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import new_namespace
from tests.e2e.kube import Kube, Login, Refused, SshKey, devserver, eventually
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import ROOT

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Box:
    """A DevServer of a flavor of its own that runs."""

    kube: Kube
    flavor: str
    login: Login

    def pod(self) -> dict[str, Any]:
        return self.kube.get("pod", "box-0") or {"metadata": {"uid": None}}

    @property
    def uid(self) -> str | None:
        return self.pod()["metadata"]["uid"]

    def cpu(self) -> str:
        return str(self.pod()["spec"]["containers"][0]["resources"]["requests"]["cpu"])

    def resize(self, cpu: str) -> None:
        """Edit the flavor."""
        manifest = {
            "apiVersion": "devserver.io/v1",
            "kind": "DevServerFlavor",
            "metadata": {"name": self.flavor},
        }
        self.kube.apply({**manifest, "spec": {"resources": {"requests": {"cpu": cpu}}}})

    def pending(self) -> dict[str, Any]:
        return self.kube.condition("dvs", "box", "RestartPending")

    def wait_restarted(self, before: str | None) -> None:
        eventually(lambda: self.uid not in (None, before), "there is another pod")
        self.kube.wait_ready("dvs", "box")


@pytest.fixture(scope="module")
def box(kube: Kube, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    key = SshKey.make(tmp_path_factory.mktemp("key"))
    with new_namespace(kube) as bound:
        name = bound.namespace
        flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": name}}
        bound.apply({**flavor, "spec": {"resources": {"requests": {"cpu": "11m"}}}})
        bound.apply(devserver("box", key, running=True, flavor=name, updatePolicy="Now"))
        bound.wait_ready("dvs", "box")
        yield Box(bound, name, Login.to(bound, "box", key))
    kube("delete", "dvsf", name, PATIENTLY)


def test_by_the_policy_now_a_changed_flavor_restarts_at_once(box: Box) -> None:
    first = box.uid
    box.resize("12m")
    box.wait_restarted(first)
    assert box.cpu() == "12m"
    assert box.pending() == {}
    about = ("--field-selector", "reason=Restarted", "-o", "jsonpath={.items[*].message}")
    said = eventually(lambda: box.kube("get", "events", *about), "there is an Event")
    assert said == "The flavor or the operator changed and spec.updatePolicy is Now."


def test_otherwise_it_is_told_and_waits_for_stop_and_start(box: Box) -> None:
    box.kube.patch("dvs", "box", {"updatePolicy": "WhenRestarted"})
    box.kube.wait_applied("box")
    before = box.uid
    box.resize("13m")
    pending = eventually(box.pending, "the restart is pending")
    assert pending["reason"] == "TemplateChanged"
    assert pending["message"] == "The flavor or the operator changed; the next restart of the pod applies it."
    assert (box.uid, box.cpu()) == (before, "12m")
    assert box.kube.condition("dvs", "box", "Ready")["status"] == "True"
    waiting = eventually(
        lambda: (box.kube.get("dvsf", box.flavor) or {})["status"].get("pendingRestarts"),
        "the flavor counts it",
    )
    assert waiting == 1

    box.kube.patch("dvs", "box", {"running": False})
    eventually(lambda: box.uid is None, "the pod is gone")
    box.kube.patch("dvs", "box", {"running": True})
    box.wait_restarted(before)
    assert (box.cpu(), box.pending()) == ("13m", {})


def test_a_changed_start_script_of_a_new_operator_restarts_nobody_and_the_next_restart_runs_it(
    box: Box, reconciler: ReconcilerProcess, tmp_path: Path
) -> None:
    new_version = tmp_path / "new-version"
    for package in ("crds", "stacks", "reconciler"):
        shutil.copytree(ROOT / package, new_version / package)
    script = new_version / "stacks/files/startup.sh"
    text = script.read_text()
    assert text.count("\nmain() {\n") == 1
    script.write_text(text.replace("\nmain() {\n", "\nmain() {\n    echo new >/tmp/version\n"))

    def published() -> bool:
        return "echo new" in (box.kube.get("configmap", "box-sshd") or {})["data"]["startup.sh"]

    before, old = box.uid, dict(reconciler.environment)
    reconciler.stop()
    # Without the working directory in front, modules come from there.
    reconciler.environment |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(new_version)}
    reconciler.start()
    try:
        eventually(published, "the new script is there")
        box.kube.wait_applied("box")
        assert (box.uid, box.pending()) == (before, {})
        assert box.login.try_ssh("cat /tmp/version").returncode != 0

        box.kube("delete", "pod", "box-0")
        box.wait_restarted(before)
        assert box.login.ssh("cat /tmp/version") == "new\n"
    finally:
        reconciler.stop()
        reconciler.environment = old
        reconciler.start()
    eventually(lambda: not published(), "the old script is back")
    assert box.login.ssh("cat /tmp/version") == "new\n", "going back restarts nobody, too"


# --- time --------------------------------------------------------------------------------------------------


def test_a_life_is_extended_again_and_again_and_never_beyond_the_longest_from_now(
    namespace: Kube, tmp_path: Path
) -> None:
    def lives_until(ttl: str) -> datetime:
        namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": ttl}})
        status = eventually(lambda: of_ttl(ttl), f"{ttl} counts")
        return datetime.fromisoformat(status["expiresAt"])

    def of_ttl(ttl: str) -> dict[str, Any] | None:
        status = (namespace.get("dvs", "box") or {}).get("status", {})
        return status if status.get("timeToLive") == ttl else None

    def limited() -> dict[str, Any]:
        return namespace.condition("dvs", "box", "ExpiryLimited")

    namespace.apply(devserver("box", SshKey.make(tmp_path), lifecycle={"timeToLive": "1h"}))
    namespace.wait_applied("box")
    born = datetime.fromisoformat((namespace.get("dvs", "box") or {})["metadata"]["creationTimestamp"])
    for hours in (2, 8, 100, 150):
        assert lives_until(f"{hours}h") - born == timedelta(hours=hours)
    assert limited() == {}

    longest, margin = timedelta(days=7), timedelta(minutes=1)
    for ttl in ("1000h", "1001h"):
        ends = lives_until(ttl)
        assert longest - margin < ends - datetime.now(UTC) <= longest
        assert ends.strftime("%Y-%m-%dT%H:%M:%SZ") in limited()["message"]
    assert limited()["reason"] == "LongestTimeToLive"

    for refused in ("8761h", "9s", "1d", "-1h"):
        with pytest.raises(Refused, match=r"spec.lifecycle.timeToLive"):
            namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": refused}})
    assert lives_until("3h") - born == timedelta(hours=3)
    eventually(lambda: limited() == {}, "as asked for again")
