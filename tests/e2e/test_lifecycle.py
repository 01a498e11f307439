"""Making, changing, expiring and deleting DevServers that need not run."""

import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kube import Kube, Refused, SshKey, devserver, eventually
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


CHILDREN = {
    "statefulset.apps/box",
    "service/box",
    "service/box-ssh",
    "secret/box-hostkeys",
    "configmap/box-sshd",
}


def host_keys(kube: Kube) -> list[str]:
    return list((kube.get("dvs", "box") or {})["status"]["ssh"]["hostKeys"])


def states(kube: Kube, uid: str) -> set[str]:
    found = Kube(kube.kubeconfig, "devserver-system").names("secret", "-l", "devserver.io/state=checkpoint")
    return {name for name in found if uid in name}


def uid_of(kube: Kube, name: str = "box") -> str:
    return str((kube.get("dvs", name) or {})["metadata"]["uid"])


def test_a_devserver_without_a_flavor_takes_the_default_one(namespace: Kube, key: SshKey) -> None:
    namespace.apply(devserver("box", key))
    assert namespace.wait_applied("box")["flavor"] == "tiny"
    assert namespace.children("box") == CHILDREN


def test_an_unknown_flavor_waits_and_heals_when_it_is_created(
    namespace: Kube, kube: Kube, key: SshKey
) -> None:
    flavor = f"{namespace.namespace}-later"
    namespace.apply(devserver("box", key, flavor=flavor))
    eventually(
        lambda: namespace.condition("dvs", "box", "Reconciling").get("reason") == "FlavorNotFound", "it waits"
    )
    assert flavor in namespace.condition("dvs", "box", "Reconciling")["message"]
    assert namespace.children("box") == set()

    kube.apply(
        {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": flavor}, "spec": {}}
    )
    namespace.wait_applied("box")
    assert namespace.condition("dvs", "box", "Reconciling") == {}
    kube("delete", "dvsf", flavor)


def test_host_keys_stay_over_update_restart_and_deletion_of_their_secret(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    keys = host_keys(namespace)
    assert [line.split()[0] for line in keys] == ["ssh-ed25519", "ecdsa-sha2-nistp256"]

    namespace.patch("dvs", "box", {"image": "local/busybox:1"})
    namespace.wait_applied("box")
    assert host_keys(namespace) == keys

    namespace("delete", "secret", "box-hostkeys")
    eventually(lambda: namespace.get("secret", "box-hostkeys"), "the Secret is back")
    assert public_keys_in_secret(namespace) == keys

    reconciler.stop()
    namespace("delete", "secret", "box-hostkeys")
    reconciler.start()
    eventually(lambda: namespace.get("secret", "box-hostkeys"), "the Secret is back")
    assert public_keys_in_secret(namespace) == keys
    assert host_keys(namespace) == keys


def public_keys_in_secret(kube: Kube) -> list[str]:
    files = ("ssh_host_ed25519_key", "ssh_host_ecdsa_key")
    template = '{{range $name, $value := .data}}{{if eq $name "%s.pub"}}{{base64decode $value}}{{end}}{{end}}'
    return [
        kube("get", "secret", "box-hostkeys", "-o", f"go-template={template % file}").strip()
        for file in files
    ]


def test_a_host_key_secret_made_by_the_user_is_used_and_survives(
    namespace: Kube, key: SshKey, tmp_path: Path
) -> None:
    own = SshKey.make(tmp_path, "ssh_host_ed25519_key")
    namespace("create", "secret", "generic", "box-hostkeys", f"--from-file=ssh_host_ed25519_key={own.path}")
    before = (namespace.get("secret", "box-hostkeys") or {})["metadata"]

    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    assert host_keys(namespace) == [" ".join(own.public.split()[:2])]

    namespace("delete", "dvs", "box", PATIENTLY)
    after = (namespace.get("secret", "box-hostkeys") or {})["metadata"]
    assert after == before


def test_deleting_removes_all_children_and_the_state_even_without_its_flavor(
    namespace: Kube, kube: Kube, key: SshKey
) -> None:
    flavor = f"{namespace.namespace}-gone"
    kube.apply(
        {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": flavor}, "spec": {}}
    )
    namespace.apply(devserver("box", key, flavor=flavor))
    namespace.wait_applied("box")
    uid = uid_of(namespace)
    assert states(namespace, uid)
    kube("delete", "dvsf", flavor)

    namespace("delete", "dvs", "box", PATIENTLY)
    assert namespace.children("box") == set()
    assert states(namespace, uid) == set()


def test_a_deletion_while_the_reconciler_is_down_is_finished_when_it_is_back(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    uid = uid_of(namespace)

    reconciler.stop()
    namespace("delete", "dvs", "box", "--wait=false")
    time.sleep(0.5)
    assert namespace.get("dvs", "box") is not None, "the finalizer holds it"
    reconciler.start()

    eventually(lambda: namespace.get("dvs", "box") is None, "it is gone")
    assert namespace.children("box") == set()
    assert states(namespace, uid) == set()


def test_a_devserver_made_again_under_its_name_gets_new_keys(namespace: Kube, key: SshKey) -> None:
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    old_keys, old_uid = host_keys(namespace), uid_of(namespace)

    namespace("delete", "dvs", "box", PATIENTLY)
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")

    assert not set(host_keys(namespace)) & set(old_keys)
    assert namespace.children("box") == CHILDREN
    assert states(namespace, old_uid) == set()


def test_a_new_life_loses_no_child_to_the_destroy_of_an_old_one_whose_finalizer_was_torn_off(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    old_keys, old_uid = host_keys(namespace), uid_of(namespace)

    reconciler.stop()
    namespace("patch", "dvs", "box", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    namespace("delete", "dvs", "box", PATIENTLY)
    namespace.apply(devserver("box", key))
    new_uid = uid_of(namespace)
    reconciler.start()
    namespace.wait_applied("box")

    eventually(lambda: not states(namespace, old_uid), "the old state is swept")
    eventually(lambda: namespace.children("box") == CHILDREN, "all children are there")
    time.sleep(3)  # the garbage collector would have come by now
    assert namespace.children("box") == CHILDREN
    for child in CHILDREN:
        meta = (namespace.get(*child.split("/")) or {})["metadata"]  # type: ignore[misc]
        assert meta["labels"]["devserver.io/uid"] == new_uid
    assert not set(host_keys(namespace)) & set(old_keys)


def test_a_foreign_service_of_our_name_is_untouched_and_named(namespace: Kube, key: SshKey) -> None:
    namespace("create", "service", "clusterip", "box-ssh", "--tcp=80:80")
    before = namespace.get("service", "box-ssh")
    namespace.apply(devserver("box", key))

    stalled = eventually(lambda: namespace.condition("dvs", "box", "Stalled"), "it stalls")
    assert stalled["reason"] == "NameConflict"
    assert f"Service {namespace.namespace}/box-ssh" in stalled["message"]
    assert namespace.get("service", "box-ssh") == before

    namespace("delete", "service", "box-ssh")
    namespace("annotate", "dvs", "box", "look=again")
    namespace.wait_applied("box")
    assert namespace.condition("dvs", "box", "Stalled") == {}


def test_deleting_a_stalled_devserver_leaves_the_foreign_service(namespace: Kube, key: SshKey) -> None:
    namespace("create", "service", "clusterip", "box-ssh", "--tcp=80:80")
    namespace.apply(devserver("box", key))
    eventually(lambda: namespace.condition("dvs", "box", "Stalled"), "it stalls")

    namespace("delete", "dvs", "box", PATIENTLY)
    assert namespace.children("box") == {"service/box-ssh"}


def test_a_devserver_ends_with_its_time_to_live_and_nothing_is_left(namespace: Kube, key: SshKey) -> None:
    # Ten times as long as it takes to make one and to look at it.
    namespace.apply(devserver("box", key, lifecycle={"timeToLive": "25s"}))
    status = namespace.wait_applied("box")
    meta = (namespace.get("dvs", "box") or {})["metadata"]
    created, uid = datetime.fromisoformat(meta["creationTimestamp"]), meta["uid"]
    assert datetime.fromisoformat(status["expiresAt"]) - created == timedelta(seconds=25)

    eventually(lambda: namespace.get("dvs", "box") is None, "it expired")
    assert datetime.now(UTC) >= datetime.fromisoformat(status["expiresAt"])
    assert namespace.children("box") == set()
    assert states(namespace, uid) == set()


def test_a_devserver_warns_before_its_end_and_an_extension_takes_the_warning_back(
    namespace: Kube, key: SshKey
) -> None:
    namespace.apply(devserver("box", key, lifecycle={"timeToLive": "5m8s"}))
    status = namespace.wait_applied("box")
    assert status["sshAddress"] == {
        "type": "ClusterIP",
        "host": f"box-ssh.{namespace.namespace}.svc",
        "port": 22,
    }
    warned = eventually(lambda: namespace.condition("dvs", "box", "Expiring"), "it warns")
    assert warned["reason"] == "EndsIn5Minutes"
    assert status["expiresAt"] in warned["message"]
    events = ["get", "events", "-o", "name", "--field-selector", "reason=EndsIn5Minutes,type=Warning"]
    eventually(lambda: len(namespace(*events).split()) == 1, "an Event tells of it, once")

    namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "1h"}})
    eventually(lambda: not namespace.condition("dvs", "box", "Expiring"), "the warning is gone")


def test_an_extension_seconds_before_the_end_wins(namespace: Kube, key: SshKey) -> None:
    """(Those within the same second are in tests/faults/test_lives.py.)"""
    namespace.apply(devserver("box", key, lifecycle={"timeToLive": "25s"}))
    ends = datetime.fromisoformat(namespace.wait_applied("box")["expiresAt"])

    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds() - 5.0))
    namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "1h"}})
    time.sleep(7)

    obj = namespace.get("dvs", "box")
    assert obj is not None
    assert "deletionTimestamp" not in obj["metadata"]
    status = namespace.wait_applied("box")
    assert datetime.fromisoformat(status["expiresAt"]) - ends == timedelta(hours=1, seconds=-25)


def test_a_reconciler_killed_in_the_middle_of_a_run_leaves_no_orphan(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    runs = reconciler.runs("box")
    namespace.apply(devserver("box", key))
    eventually(lambda: reconciler.runs("box") > runs, "the run has begun")
    time.sleep(0.4)
    reconciler.restart(signal.SIGKILL)

    namespace.wait_applied("box")
    assert namespace.children("box") == CHILDREN
    namespace("delete", "dvs", "box", PATIENTLY)
    assert namespace.children("box") == set()


def test_a_burst_of_edits_ends_with_the_last_spec(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key))
    namespace.wait_applied("box")
    runs = reconciler.runs("box")
    for hours in range(1, 11):
        namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": f"{hours}h"}})
    namespace.wait_applied("box")

    assert (namespace.get("dvs", "box") or {})["status"]["timeToLive"] == "10h"
    assert reconciler.runs("box") - runs <= 10


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("box", {"lifecycle": {"timeToLive": "soon"}}, "timeToLive"),
    ("box", {"lifecycle": {"timeToLive": "1s"}}, "must be a duration such as 8h, 1h30m or 45m"),
    ("box", {"ssh": {"publicKey": "ssh-ed25519 AAAA\nssh-ed25519 BBBB"}}, "spec.ssh.publicKey"),
    ("box-ssh", {}, "metadata.name must not end with -ssh"),
    ("b" * 53, {}, "metadata.name must have at most 52 characters"),
]


@pytest.mark.parametrize(("name", "spec", "message"), REFUSED)
def test_the_api_server_refuses_readably(
    namespace: Kube, key: SshKey, name: str, spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        namespace.apply(devserver(name, key, **spec))


def test_nothing_runs_on_after_sigterm(reconciler: ReconcilerProcess, namespace: Kube, key: SshKey) -> None:
    runs = reconciler.runs("box")
    namespace.apply(devserver("box", key))
    eventually(lambda: reconciler.runs("box") > runs, "the run has begun")

    assert reconciler.stop() == 0
    run_dir = reconciler.environment["DEVSERVER_RUN_DIR"]
    mine = subprocess.run(["pgrep", "-f", run_dir], capture_output=True, text=True, check=False)
    assert mine.stdout == ""
    assert list(Path(run_dir, "runs").glob("*")) == []
    reconciler.start()
    namespace.wait_applied("box")
