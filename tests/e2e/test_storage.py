"""Homes and volumes: where they are mounted, what survives, how a home grows, and what is refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import new_namespace
from tests.e2e.kube import Kube, Login, Refused, SshKey, devserver, eventually
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


def storage_class(name: str, **fields: Any) -> dict[str, Any]:
    """One whose claims get directories of the node, as those of the cluster's default class."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/host-path",
        **fields,
    }


def claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
    }


def home(kube: Kube) -> dict[str, Any]:
    return kube.get("pvc", "box-home") or {}


def requested(kube: Kube) -> str:
    return str(home(kube)["spec"]["resources"]["requests"]["storage"])


def smaller(kube: Kube) -> dict[str, Any]:
    return kube.condition("dvs", "box", "HomeSmaller")


# --- one that runs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A DevServer with a home of a class that allows expansion, volumes of its own, and those of its flavor."""

    kube: Kube
    login: Login

    def pod(self) -> dict[str, Any]:
        return self.kube.get("pod", "box-0") or {"metadata": {"uid": None}}

    def claims(self) -> dict[str, str]:
        """What is mounted where, of claims."""
        spec = self.pod()["spec"]
        by_volume = {
            volume["name"]: volume["persistentVolumeClaim"]["claimName"]
            for volume in spec["volumes"]
            if "persistentVolumeClaim" in volume
        }
        return {
            mount["mountPath"]: by_volume[mount["name"]]
            for mount in spec["containers"][0]["volumeMounts"]
            if mount["name"] in by_volume
        }


@pytest.fixture(scope="module")
def box(kube: Kube, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    key = SshKey.make(tmp_path_factory.mktemp("key"))
    with new_namespace(kube) as bound:
        name = bound.namespace  # of its own, for what lies in no namespace
        bound.apply(storage_class(name, allowVolumeExpansion=True))
        for volume in ("shared", "flavors", "own"):
            bound.apply(claim(volume))
        flavor_volumes = [
            {"claimName": "shared", "mountPath": "/shared", "readOnly": True},
            {"claimName": "flavors", "mountPath": "/data"},
            {"claimName": "flavors", "mountPath": "/home/dev"},
        ]
        flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": name}}
        bound.apply({**flavor, "spec": {"volumes": flavor_volumes}})
        volumes = [
            {"claimName": "own", "mountPath": "/data"},
            {"claimName": "shared", "mountPath": "/writable"},
        ]
        of_class = {"size": "10Mi", "storageClassName": name}
        bound.apply(devserver("box", key, running=True, flavor=name, home=of_class, volumes=volumes))
        bound.wait_ready("dvs", "box")
        yield Box(bound, Login.to(bound, "box", key))
    kube("delete", "dvsf,storageclass", name, PATIENTLY)


def test_volumes_of_flavor_and_devserver_are_merged_and_the_devservers_win(box: Box) -> None:
    assert box.claims() == {
        "/home/dev": "box-home",
        "/data": "own",
        "/shared": "shared",
        "/writable": "shared",
    }


def test_a_read_only_volume_is_so_for_root_too(box: Box) -> None:
    box.login.ssh("echo seen | doas tee /writable/file")
    assert box.login.ssh("doas cat /shared/file") == "seen\n"
    for attempt in ("doas touch /shared/file", "doas rm /shared/file", "doas mount -o remount,rw /shared"):
        assert box.login.try_ssh(attempt).returncode != 0, attempt
    assert "Read-only file system" in box.login.try_ssh("doas touch /shared/new").stderr


def test_a_home_grows_without_a_restart_and_the_status_tells_what_it_has_meanwhile(box: Box) -> None:
    """The cluster's provisioner expands nothing, so it stays at what it has."""
    pod = box.pod()["metadata"]["uid"]
    assert smaller(box.kube) == {}

    box.kube.patch("dvs", "box", {"home": {"size": "20Mi"}})
    eventually(lambda: requested(box.kube) == "20Mi", "the claim asks for more")
    told = eventually(lambda: smaller(box.kube), "the status tells of it")
    assert told["reason"] == "HomeExpanding"
    assert "box-home has 10Mi of 20Mi" in told["message"]
    assert box.kube.condition("dvs", "box", "Ready")["status"] == "True"

    # As its storage would, once it has done it.
    grown = {"status": {"capacity": {"storage": "20Mi"}}}
    box.kube("patch", "pvc", "box-home", "--subresource=status", "--type=merge", "-p", json.dumps(grown))
    eventually(lambda: not smaller(box.kube), "nothing is missing any more")
    assert box.pod()["metadata"]["uid"] == pod


def test_home_and_host_keys_survive_the_pods_deletion_and_stop_and_start(box: Box) -> None:
    kube, login = box.kube, box.login
    login.ssh("echo kept >~/file; echo lost >/tmp/file")
    first = box.pod()["metadata"]["uid"]

    kube("delete", "pod", "box-0")
    eventually(lambda: box.pod()["metadata"]["uid"] not in (None, first), "there is another pod")
    kube.wait_ready("dvs", "box")
    # Under the same host keys, checked strictly.
    assert login.ssh("cat ~/file; ls /tmp") == "kept\n"

    kube.patch("dvs", "box", {"running": False})
    eventually(lambda: box.pod()["metadata"]["uid"] is None, "the pod is gone")
    assert kube.condition("dvs", "box", "Ready")["reason"] == "Stopped"
    kube.patch("dvs", "box", {"running": True})
    kube.wait_ready("dvs", "box")
    assert login.ssh("cat ~/file; ls /tmp") == "kept\n"


# --- what needs no pod -------------------------------------------------------------------------------------


def test_a_home_that_cannot_grow_stays_holds_up_nothing_and_grows_when_it_can(
    namespace: Kube, key: SshKey
) -> None:
    name = namespace.namespace
    namespace.apply(storage_class(name))
    namespace.apply(devserver("box", key, home={"size": "10Mi", "storageClassName": name}))
    namespace.wait_applied("box")
    eventually(lambda: home(namespace)["status"].get("phase") == "Bound", "the home is bound")

    namespace.patch("dvs", "box", {"home": {"size": "20Mi"}, "lifecycle": {"timeToLive": "9h"}})
    told = eventually(lambda: smaller(namespace), "the status tells of it")
    assert told["reason"] == "HomeCannotExpand"
    assert f"box-home stays at 10Mi instead of 20Mi, because its StorageClass '{name}'" in told["message"]
    status = namespace.wait_applied("box")
    assert status["timeToLive"] == "9h", "the rest was applied"
    assert not {"Reconciling", "Stalled"} & {item["type"] for item in status["conditions"]}
    assert requested(namespace) == "10Mi"

    namespace("patch", "storageclass", name, "-p", '{"allowVolumeExpansion": true}')
    eventually(lambda: requested(namespace) == "20Mi", "the claim asks for more")
    eventually(lambda: smaller(namespace).get("reason") == "HomeExpanding", "that is told")
    namespace("delete", "storageclass", name)


# By what is changed at once, and by taking the home out of the spec and putting it back.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"home": {"size": "5Mi"}}, "a home cannot shrink"),
    ({"home": {"size": "9999Ki"}}, "a home cannot shrink"),
    ({"home": {"storageClassName": "other"}}, "storageClassName of a home cannot be changed"),
    (
        {"volumes": [{"claimName": name, "mountPath": "/data"} for name in ("code", "models")]},
        r'two volumes on one path: \["code at /data", "models at /data"\]',
    ),
    (
        {"volumes": [{"claimName": "code", "mountPath": "/home/dev"}]},
        "/home/dev is where spec.home is mounted",
    ),
]


def test_a_home_is_never_shrunk_moved_or_made_anew(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key, home={"size": "10Mi"}))
    namespace.wait_applied("box")
    before, runs = home(namespace), reconciler.runs("box")
    for change, message in REFUSED:
        with pytest.raises(Refused, match=message):
            namespace.patch("dvs", "box", change)
    assert reconciler.runs("box") == runs

    namespace.patch("dvs", "box", {"home": None})
    namespace.wait_applied("box")
    runs = reconciler.runs("box")
    namespace.patch("dvs", "box", {"home": {"size": "10Mi", "storageClassName": "other"}})
    stalled = eventually(lambda: namespace.condition("dvs", "box", "Stalled"), "it is told")
    assert stalled["reason"] == "HomeCannotMove"
    assert reconciler.runs("box") == runs, "Pulumi did not see it"

    namespace.patch("dvs", "box", {"home": None})
    namespace.patch("dvs", "box", {"home": {"size": "5Mi"}})
    namespace.wait_applied("box")
    after = home(namespace)
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
