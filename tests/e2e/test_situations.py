"""What people see of a DevServer that does not run as it should: each situation of docs/troubleshooting.md."""

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import FLAVOR
from tests.e2e.kube import Kube, Refused, SshKey, condition, eventually
from tests.e2e.sightings import sightings
from tests.e2e.situation_cases import CASES, RUNTIME_CLASS, SPACES
from tests.e2e.situations import Ground, Object, apply_all, documented, flavor
from tests.patience import PATIENTLY, generous
from tests.reconciler_process import ReconcilerProcess

pytestmark = pytest.mark.cluster

# Promised from the time when the cluster shows it until the condition says so.
TOLD_WITHIN_S = 5.0
GUIDE = documented()


@pytest.fixture(scope="module")
def ground(
    kube: Kube, reconciler: ReconcilerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """All DevServers of all cases, made at once."""
    kube.apply(FLAVOR)
    with sightings(kube) as seen:
        key = SshKey.make(tmp_path_factory.mktemp("key"))
        made = Ground(kube, f"s-{secrets.token_hex(3)}", key, seen)
        made.spaces["user"] = Kube(kube.kubeconfig, f"dev-{made.named('user')}")
        try:
            populate(made)
            yield made
        finally:
            clear(made)


def populate(ground: Ground) -> None:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    spaces: list[Object] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": ground.space(space).namespace,
                "labels": restricted if space == "restricted" else {},
            },
        }
        for space in SPACES
    ]
    cases = CASES.values()
    flavors = [flavor(ground, case.name, case.flavor) for case in cases if case.flavor is not None]
    apply_all(ground.kube, [*spaces, *flavors, *(obj for case in cases for obj in case.before(ground))])
    eventually(lambda: refuses_services(ground.space("policy")), "the policy is in force")
    apply_all(ground.kube, [case.manifest(ground) for case in cases if case.spec is not None])


def refuses_services(kube: Kube) -> bool:
    try:
        kube("create", "service", "clusterip", "probe", "--tcp=80", "--dry-run=server")
    except Refused as refused:
        return "out of fashion" in str(refused)
    return False


def clear(ground: Ground) -> None:
    free = ("--type=merge", "-p", json.dumps({"metadata": {"finalizers": None}}))
    for where, kind, name in (("", "pod", "stays-0"), ("user", "configmap", "held")):
        if ground.space(where).get(kind, name) is not None:
            ground.space(where)("patch", kind, name, *free)
    begin, finish = (("delete", "--ignore-not-found", how) for how in ("--wait=false", PATIENTLY))
    flavors = [ground.named(case.name) for case in CASES.values() if case.flavor is not None]
    spaces = [ground.space(space) for space in SPACES]
    for how in (begin, finish):
        ground.kube(*how, "dvsu", ground.named("user"))
        for space in spaces:
            space(*how, "devservers", "--all")
        ground.kube(*how, "dvsf", *flavors)
    ground.kube(*begin, "namespace", *(space.namespace for space in spaces))
    ground.kube(*begin, "pv", ground.named("broken"))
    ground.kube(*begin, "runtimeclass", RUNTIME_CLASS)
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        ground.kube(*begin, kind, ground.named("policy"))


@pytest.mark.parametrize("situation", CASES)
def test_a_situation_is_told_as_the_guide_says_soon_after_the_cluster_knows_it(
    ground: Ground, situation: str
) -> None:
    case, row = CASES[situation], GUIDE[situation]
    case.act(ground)
    about = (case.kind, *case.about(ground))
    try:
        told = ground.seen.first(*about, lambda obj: row.fits(condition(obj, row.condition)))
    except AssertionError:
        pytest.fail(f"{row} is not told; now there is {ground.seen.latest(*about).get('status')}")
    known_at = case.known_at(ground)
    late_s = told.at - known_at if known_at is not None else 0.0
    print(f"{late_s:.2f} s {row.reason}: {condition(told.obj, row.condition)['message']}")
    assert late_s <= generous(TOLD_WITHIN_S)


def test_a_lasting_trouble_is_written_once(ground: Ground) -> None:
    """kubelet calls it by two names in turn."""
    namespace = ground.space().namespace
    row = GUIDE["The image does not exist, or its registry cannot be reached"]

    def names() -> set[str]:
        pods = ground.seen.all("Pod", namespace, "image-0")
        states = [
            item.obj.get("status", {}).get("containerStatuses", [{}])[0].get("state", {}) for item in pods
        ]
        return {state["waiting"]["reason"] for state in states if "waiting" in state}

    eventually(lambda: {"ErrImagePull", "ImagePullBackOff"} <= names(), "both names were used")
    written = {
        json.dumps(condition(item.obj, row.condition))
        for item in ground.seen.all("DevServer", namespace, "image")
        if condition(item.obj, row.condition).get("reason") == row.reason
    }
    assert len(written) == 1
