"""What holds after every fault. A guard is posted before the fault and asked after it."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from crds.resources import CHILDREN, NAMESPACE, PVC, SECRET, STATEFUL_SET, Resource
from reconciler.state import checkpoint
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, RETAINED_BY_ANNOTATION, UID_LABEL
from tests.e2e.kube import eventually
from tests.faults.harness import Operator, Space
from tests.faults.kubeapi import Api, Object
from tests.shared_cluster import SYSTEM_NAMESPACE

Child = tuple[str, str]
# The annotation of a state Secret that says whose state it is.
STATE_OF = "devserver.io/state-of"

CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
SERVICE = Resource("v1", "Service", "services")
# Objects in a DevServer's namespace. Pods belong to the StatefulSet's controller.
_KINDS = tuple(resource for resource in CHILDREN if resource is not NAMESPACE)
_STARTS = ("run starts", "destroy starts")
_ENDS = ("run ended", "destroy ended", "failed", "status not written", "pass failed")


def desired_children(devserver: Object) -> set[Child]:
    """Kind and name of what a DevServer's stack makes: said here once more, apart from the program."""
    name = devserver["metadata"]["name"]
    made = {("StatefulSet", name), ("Service", name), ("Service", f"{name}-ssh")}
    made |= {("Secret", f"{name}-hostkeys"), ("ConfigMap", f"{name}-sshd")}
    return made | ({("PersistentVolumeClaim", f"{name}-home")} if "home" in devserver["spec"] else set())


@dataclass
class Guard:
    """The invariants of one namespace, with decoys: objects of others that look much like ours.

    operators: all that had a part in it.
    """

    space: Space
    operators: list[Operator]
    _decoys: dict[str, str] = field(default_factory=dict)
    _host_keys: dict[str, tuple[str, Any]] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        return self.space.api

    def __post_init__(self) -> None:
        for resource, body in _decoys(self.space.namespace):
            self.api.create(resource, body)
        self._decoys = self._look_at_decoys()

    def note_host_keys(self) -> None:
        """Take down the host keys that exist now: they must stay as long as their DevServer."""
        for secret in self.api.list(SECRET, self.space.namespace):
            name = secret["metadata"]["name"]
            uid = secret["metadata"].get("labels", {}).get(UID_LABEL)
            if uid and name.endswith("-hostkeys"):
                self._host_keys.setdefault(uid, (name, secret["data"]))

    def check(self) -> None:
        """All that must hold once the DevServers have come to rest.

        Whether a run is under way, as after drift, no status tells: it is over when its claim is gone.
        """
        eventually(lambda: not [state.name for state in self.states() if state.claim], "no state is claimed")
        self.note_host_keys()
        devservers = {obj["metadata"]["uid"]: obj for obj in self.space.all()}
        managed = [obj for obj in self._objects() if _is_managed(obj)]
        self._check_children(devservers, managed)
        self._check_states(devservers)
        self._check_host_keys(devservers)
        assert self._look_at_decoys() == self._decoys, "foreign objects were touched"
        assert_one_run_at_a_time(self.operators)

    def _check_children(self, devservers: dict[str, Object], managed: list[Object]) -> None:
        retained = [obj for obj in managed if _retained_by(obj)]
        bound = [obj for obj in managed if not _retained_by(obj)]
        for obj in bound:
            meta = obj["metadata"]
            owners = {reference["uid"] for reference in meta.get("ownerReferences", [])}
            uid = meta["labels"].get(UID_LABEL)
            assert uid in devservers, f"{_child(obj)} belongs to the dead uid {uid}"
            assert owners == {uid}, f"{_child(obj)} of {uid} is owned by {owners}"
        for uid, devserver in devservers.items():
            mine = {_child(obj) for obj in bound if obj["metadata"]["labels"][UID_LABEL] == uid}
            mine |= {_child(obj) for obj in retained if _retained_by(obj) == _retainer(devserver)}
            assert mine == desired_children(devserver), f"children of {devserver['metadata']['name']}"
        for obj in bound:
            if obj["kind"] == STATEFUL_SET.kind:
                spec = devservers[obj["metadata"]["labels"][UID_LABEL]]["spec"]
                images = {item["image"] for item in obj["spec"]["template"]["spec"]["containers"]}
                assert images == {spec["image"]}, f"{_child(obj)} has an earlier spec"

    def _check_states(self, devservers: dict[str, Object]) -> None:
        """No state is lost and none is left over."""
        states = self.states()
        assert {state.uid for state in states} == devservers.keys(), "states and DevServers"
        for state in states:
            wanted = desired_children(devservers[state.uid])
            assert state.children == wanted, f"state of {state.name}"

    def _check_host_keys(self, devservers: dict[str, Object]) -> None:
        for uid, (name, data) in self._host_keys.items():
            if uid in devservers:
                secret = self.api.get(SECRET, self.space.namespace, name)
                assert secret is not None, f"{name} is gone"
                assert secret["data"] == data, f"{name} has other keys than before"
        for devserver in devservers.values():
            # What clients check, and what sshd has.
            told = devserver["status"]["ssh"]["hostKeys"]
            assert len(told) == len(set(told)) == 2, told

    def states(self) -> list["State"]:
        """The states of this namespace's DevServers, of dead ones too."""
        found = map(_state, self.api.list(SECRET, SYSTEM_NAMESPACE, "devserver.io/state=checkpoint"))
        return [state for state in found if state.namespace == self.space.namespace]

    def children_of(self, uid: str) -> set[Child]:
        """What carries the uid of a DevServer, dead or alive."""
        return {
            _child(obj) for obj in self._objects() if obj["metadata"].get("labels", {}).get(UID_LABEL) == uid
        }

    def _objects(self) -> list[Object]:
        return [obj for resource in _KINDS for obj in self.api.list(resource, self.space.namespace)]

    def _look_at_decoys(self) -> dict[str, str]:
        """All foreign objects in the namespace, byte for byte, by kind and name."""
        foreign = [obj for obj in self._objects() if obj["metadata"].get("labels", {}).get("decoy")]
        return {
            f"{obj['kind']}/{obj['metadata']['name']}": json.dumps(obj, sort_keys=True) for obj in foreign
        }


@dataclass(frozen=True)
class State:
    """A stored state as it lies in the cluster: whose it is, and what it holds."""

    namespace: str
    name: str
    uid: str
    children: set[Child]
    claim: str


def _state(secret: Object) -> State:
    annotations = secret["metadata"]["annotations"]
    whose = json.loads(annotations[STATE_OF])
    packed = secret.get("data", {}).get("checkpoint.json.gz")
    held = checkpoint.children(gzip.decompress(base64.b64decode(packed))) if packed else frozenset()
    children = {(child.kind, child.name) for child in held}
    claim = annotations.get("devserver.io/run-claim", "")
    return State(whose["namespace"], whose["name"], whose["uid"], children, claim)


def assert_one_run_at_a_time(operators: Iterable[Operator]) -> None:
    """No two engine runs on one stack overlap, whichever operators made them."""
    by_stack: dict[str, list[tuple[float, float, str]]] = {}
    for operator in operators:
        for stack, begin, end in runs_of(operator):
            by_stack.setdefault(stack, []).append((begin, end, str(operator.directory)))
    for stack, runs in by_stack.items():
        runs.sort()
        for (_, end, one), (begin, _, other) in pairwise(runs):
            assert begin >= end, (
                f"{stack}: a run of {other} began {end - begin:.3f} s before one of {one} ended"
            )


def runs_of(operator: Operator) -> list[tuple[str, float, float]]:
    """Stack, begin and end of every engine run in the operator's log, by time.time().

    A run ends when its pass says so, at the latest with the resource's next pass or with the process.
    """
    finished: list[tuple[str, float, float]] = []
    # By resource: stack, begin, and the pass's id.
    open_: dict[str, tuple[str, float, str]] = {}
    deaths = sorted(operator.deaths)

    def close(resource: str, when: float) -> None:
        stack, begin, _ = open_.pop(resource)
        died = next((death for death in deaths if begin < death < when), when)
        finished.append((stack, begin, died))

    for line in operator.events():
        when = datetime.fromisoformat(line["timestamp"]).timestamp()
        resource, event = line.get("resource", ""), line["event"]
        if resource in open_ and (event in _ENDS or line["reconcile_id"] != open_[resource][2]):
            close(resource, when)
        if event in _STARTS:
            open_[resource] = (line["pulumi_stack"], when, line["reconcile_id"])
        elif event == "stopping":
            for name in tuple(open_):
                close(name, when)
    for name in tuple(open_):
        close(name, float("inf"))
    return finished


def _is_managed(obj: Object) -> bool:
    return bool(obj["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) == MANAGER)


def _retained_by(obj: Object) -> str:
    return str(obj["metadata"].get("annotations", {}).get(RETAINED_BY_ANNOTATION, ""))


def _retainer(devserver: Object) -> str:
    meta = devserver["metadata"]
    return f"devserver.{meta['namespace']}.{meta['name']}"


def _child(obj: Object) -> Child:
    return obj["kind"], obj["metadata"]["name"]


def _decoys(namespace: str) -> list[tuple[Resource, Object]]:
    def body(name: str, labels: dict[str, str], **parts: Any) -> Object:
        return {
            "metadata": {"name": name, "namespace": namespace, "labels": {"decoy": "yes", **labels}},
            **parts,
        }

    named = {"devserver.io/name": "box", MANAGED_BY_LABEL: "someone-else"}
    return [
        (CONFIG_MAP, body("foreign-sshd", {}, data={"sshd_config": "theirs"})),
        (CONFIG_MAP, body("box-sshd-of-someone", named, data={"sshd_config": "theirs"})),
        (SECRET, body("foreign-hostkeys", named, stringData={"ssh_host_ed25519_key": "theirs"})),
        (SERVICE, body("foreign", named, spec={"clusterIP": "None", "ports": [{"port": 22}]})),
        (PVC, body("foreign-home", named, spec=_CLAIM)),
    ]


_CLAIM = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Mi"}},
    "storageClassName": "none-such",
}
