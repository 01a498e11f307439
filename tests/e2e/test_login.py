"""A DevServer that runs: what its owner sees and does."""

import json
from pathlib import Path

import pytest

from tests.e2e.kube import Kube, SshKey, devserver, eventually, ssh
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


def test_a_person_logs_in_and_becomes_root(namespace: Kube, key: SshKey) -> None:
    namespace.apply(
        devserver("box", key, running=True, env=[{"name": "GREETING", "value": "$(id) `id` 'hi'"}])
    )
    namespace.wait_ready("dvs", "box")

    assert ssh(namespace, "box", key, "whoami; id -u; doas id -u").split() == ["dev", "1000", "0"]
    assert ssh(namespace, "box", key, 'printf %s "$GREETING"') == "$(id) `id` 'hi'"


def test_a_changed_image_rolls_the_pod_at_once_and_a_changed_flavor_waits(
    namespace: Kube, kube: Kube, key: SshKey
) -> None:
    flavor = f"{namespace.namespace}-flavor"
    manifest = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": flavor}}
    kube.apply({**manifest, "spec": {"resources": {"requests": {"cpu": "11m"}}}})
    namespace.apply(devserver("box", key, running=True, flavor=flavor))
    namespace.wait_ready("dvs", "box")
    first = pod_uid(namespace)

    namespace.patch("dvs", "box", {"image": "local/busybox:1"})
    eventually(lambda: pod_uid(namespace) not in (None, first), "the pod is another one")
    namespace.wait_ready("dvs", "box")
    second = pod_uid(namespace)
    assert pod_image(namespace) == "local/busybox:1"

    kube.apply({**manifest, "spec": {"resources": {"requests": {"cpu": "12m"}}}})
    eventually(lambda: namespace.condition("dvs", "box", "RestartPending"), "the restart is pending")
    assert pod_uid(namespace) == second
    assert namespace.condition("dvs", "box", "Ready")["status"] == "True"

    namespace("delete", "pod", "box-0")
    eventually(lambda: not namespace.condition("dvs", "box", "RestartPending"), "the restart is done")
    pod = namespace.get("pod", "box-0")
    assert pod is not None
    assert pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "12m"
    kube("delete", "dvsf", flavor)


def test_an_image_that_cannot_be_pulled_is_named_in_the_condition(namespace: Kube, key: SshKey) -> None:
    namespace.apply(devserver("box", key, running=True, image="local/nonesuch:1"))

    eventually(
        lambda: namespace.condition("dvs", "box", "Ready").get("reason") == "ImagePullBackOff",
        "the reason is shown",
    )
    assert "local/nonesuch:1" in namespace.condition("dvs", "box", "Ready")["message"]


def test_a_flavor_that_no_node_fits_is_told_as_waiting_for_a_node(
    namespace: Kube, kube: Kube, key: SshKey
) -> None:
    flavor = f"{namespace.namespace}-huge"
    manifest = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": flavor}}
    kube.apply({**manifest, "spec": {"resources": {"requests": {"cpu": 4000}}}})
    namespace.apply(devserver("box", key, running=True, flavor=flavor))

    eventually(
        lambda: namespace.condition("dvs", "box", "Ready").get("reason") == "Unschedulable", "it says so"
    )
    assert "Insufficient cpu" in namespace.condition("dvs", "box", "Ready")["message"]
    kube("delete", "dvsf", flavor)


def test_a_reconciler_restart_leaves_the_pod_and_makes_no_run(
    namespace: Kube, reconciler: ReconcilerProcess, key: SshKey
) -> None:
    namespace.apply(devserver("box", key, running=True))
    namespace.wait_ready("dvs", "box")
    pod, runs, total = pod_uid(namespace), reconciler.runs("box"), reconciler.count("run starts")

    reconciler.restart()
    eventually(lambda: reconciler.count("leading") > 1, "it leads again")
    namespace("annotate", "dvs", "box", "touched=yes")  # a pass over it, after which nothing is pending
    namespace.patch("dvs", "box", {"lifecycle": {"timeToLive": "3h"}})
    eventually(lambda: (namespace.get("dvs", "box") or {})["status"].get("timeToLive") == "3h", "it was seen")

    assert pod_uid(namespace) == pod
    assert reconciler.runs("box") == runs + 1, "only the extension made a run"
    assert reconciler.count("run starts") == total + 1


def pod_uid(kube: Kube) -> str | None:
    pod = kube.get("pod", "box-0")
    return pod["metadata"]["uid"] if pod else None


def pod_image(kube: Kube) -> str:
    pod = kube.get("pod", "box-0")
    assert pod is not None
    return str(pod["spec"]["containers"][0]["image"])


def test_events_and_status_tell_the_story(namespace: Kube, key: SshKey) -> None:
    namespace.apply(devserver("box", key, running=True))
    namespace.wait_ready("dvs", "box")

    def reasons() -> set[str]:
        events = json.loads(namespace("get", "events", "-o", "json"))["items"]
        return {event["reason"] for event in events if event["involvedObject"]["kind"] == "DevServer"}

    eventually(lambda: "PodReady" in reasons(), "the Event is there")
    status = (namespace.get("dvs", "box") or {})["status"]
    assert status["lastUpdate"]["changes"]["create"] == 7
    assert status["phase"] == "Running"
    assert status["flavor"] == "tiny"
