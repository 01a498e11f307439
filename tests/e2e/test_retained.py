"""What outlives its resource: homes. (And what does not: what warms a flavor up.)"""

from pathlib import Path

import pytest

from tests.e2e.kube import Kube, SshKey, devserver, eventually
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


def home_uid(kube: Kube) -> str | None:
    claim = kube.get("pvc", "box-home")
    return claim["metadata"]["uid"] if claim else None


@pytest.mark.parametrize(("policy", "survives"), [("Retain", True), ("Delete", False)])
def test_a_home_outlives_its_devserver_as_its_policy_says(
    namespace: Kube, key: SshKey, policy: str, survives: bool
) -> None:
    namespace.apply(devserver("box", key, home={"size": "10Mi", "onDelete": policy}))
    namespace.wait_applied("box")
    assert home_uid(namespace)

    namespace("delete", "dvs", "box", PATIENTLY)
    eventually(lambda: bool(home_uid(namespace)) is survives, f"the home survives: {survives}")
    assert namespace.children("box") == ({"persistentvolumeclaim/box-home"} if survives else set())


def test_retain_wins_when_the_policy_changed_just_before_the_deletion(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key, home={"size": "10Mi", "onDelete": "Delete"}))
    namespace.wait_applied("box")
    before = home_uid(namespace)

    reconciler.stop()
    namespace.patch("dvs", "box", {"home": {"size": "10Mi", "onDelete": "Retain"}})
    namespace("delete", "dvs", "box", "--wait=false")
    reconciler.start()
    eventually(lambda: namespace.get("dvs", "box") is None, "it is deleted")
    assert home_uid(namespace) == before


def test_a_retained_home_is_taken_up_by_the_same_owner_and_by_no_one_else(
    namespace: Kube, key: SshKey
) -> None:
    namespace.apply(devserver("box", key, home={"size": "10Mi"}))
    namespace.wait_applied("box")
    before = home_uid(namespace)
    namespace("delete", "dvs", "box", PATIENTLY)

    namespace.apply(devserver("box", key, owner="mallory@example.com", home={"size": "10Mi"}))
    stalled = eventually(lambda: namespace.condition("dvs", "box", "Stalled"), "mallory is refused")
    assert stalled["reason"] == "NameConflict"
    assert "holds the data of someone else" in stalled["message"]
    namespace("delete", "dvs", "box", PATIENTLY)
    assert home_uid(namespace) == before

    namespace.apply(devserver("box", key, home={"size": "10Mi"}))
    namespace.wait_applied("box")
    assert home_uid(namespace) == before


def test_anothers_home_is_never_mounted_as_a_volume(namespace: Kube, key: SshKey) -> None:
    namespace.apply(devserver("box", key, home={"size": "10Mi"}))
    namespace.wait_applied("box")
    volumes = [{"claimName": "box-home", "mountPath": "/loot"}]
    namespace.apply(devserver("thief", key, owner="mallory@example.com", volumes=volumes))

    stalled = eventually(lambda: namespace.condition("dvs", "thief", "Stalled"), "the thief is refused")
    assert stalled["reason"] == "ForeignHome"
    assert "spec.volumes[0].claimName" in stalled["message"]
    assert namespace.children("thief") == set()


def test_a_flavor_has_its_images_pulled_on_the_nodes(kube: Kube, namespace: Kube) -> None:
    name = f"{namespace.namespace}-warm"
    manifest = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": name}}
    kube.apply({**manifest, "spec": {"prewarm": {"images": ["local/busybox:1"]}}})
    kube.wait_ready("dvsf", name)
    system = Kube(kube.kubeconfig, "devserver-system")

    def ready() -> bool:
        daemon_set = system.get("daemonset", f"prewarm-{name}")
        return bool(daemon_set) and (daemon_set or {})["status"].get("numberReady") == 1

    eventually(ready, "the images are there")
    kube("delete", "dvsf", name, PATIENTLY)
    assert system.get("daemonset", f"prewarm-{name}") is None
