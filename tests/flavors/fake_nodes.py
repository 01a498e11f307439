"""Nodes without a machine: objects whose Leases are renewed, so that the cluster's controllers take them for ready."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from crds.resources import LEASE, NODE, POD, PRIORITY_CLASS, RUNTIME_CLASS
from reconciler.kinds.flavor.scheduling.capacity import reduce_node, relevant
from tests.e2e.kube import eventually
from tests.faults.kubeapi import Api, ApiError
from tests.flavors.cases import CASE, PRIORITIES, RUNTIME_CLASSES, Object

_LEASES = "kube-node-lease"
_RENEW_S = 10.0
_T = TypeVar("_T")
_R = TypeVar("_R")


def at_once(do: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Do it with each item, several at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(do, items))


@contextmanager
def classes(api: Api) -> Iterator[None]:
    """The runtime and priority classes that the cases name; the one of placeholders is the operator's own."""
    made = [
        (RUNTIME_CLASS, {"metadata": {"name": name}, **fields}) for name, fields in RUNTIME_CLASSES.items()
    ]
    made += [
        (PRIORITY_CLASS, {"metadata": {"name": name}, "value": value})
        for name, value in PRIORITIES.items()
        if name.startswith("test-")
    ]
    for resource, body in made:
        api.delete(resource, "", body["metadata"]["name"])
        api.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body})
    yield
    for resource, body in made:
        api.delete(resource, "", body["metadata"]["name"])


@contextmanager
def fake_nodes(api: Api, manifests: list[Object]) -> Iterator[None]:
    """The nodes, with their conditions turned into taints by the cluster; gone afterwards, with the pods on them."""
    names = [manifest["metadata"]["name"] for manifest in manifests]
    over = threading.Event()

    def renew() -> None:
        while not over.wait(_RENEW_S):
            at_once(lambda name: api.patch(LEASE, _LEASES, name, {"spec": {"renewTime": _now()}}), names)

    renewing = threading.Thread(target=renew, daemon=True)
    try:
        at_once(lambda name: api.create(LEASE, _lease(name)), names)
        at_once(lambda manifest: api.create(NODE, manifest), manifests)
        renewing.start()
        _wait_for_taints(api, manifests)
        yield
    finally:
        over.set()
        if renewing.is_alive():
            renewing.join()
        at_once(lambda name: api.delete(NODE, "", name), names)
        at_once(lambda name: api.delete(LEASE, _LEASES, name), names)


def _lease(name: str) -> Object:
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _now()}
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {"name": name, "namespace": _LEASES},
        "spec": spec,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _wait_for_taints(api: Api, manifests: list[Object]) -> None:
    """New nodes are tainted as not ready until a controller has looked at their conditions."""
    expected = {item["metadata"]["name"]: set(relevant(reduce_node(item)).taints) for item in manifests}

    def settled() -> bool:
        live = {
            node["metadata"]["name"]: {
                (taint["key"], taint.get("value", ""), taint["effect"])
                for taint in node["spec"].get("taints", [])
            }
            for node in api.list(NODE, selector=CASE)
        }
        return all(
            taints
            == {taint for taint in live.get(name, set()) if taint[2] == "NoSchedule" or taint in taints}
            for name, taints in expected.items()
        )

    eventually(settled, "the nodes' taints follow their conditions")


def create_pods(api: Api, namespace: str, pods: list[Object]) -> dict[str, str]:
    """Create the pods; those that the API server refused, with what it said."""

    def create(pod: Object) -> tuple[str, str]:
        name = pod["metadata"]["name"]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            **pod,
            "metadata": {**pod["metadata"], "namespace": namespace},
        }
        try:
            api.create(POD, body)
        except ApiError as error:
            return name, str(error)
        return name, ""

    return {name: refusal for name, refusal in at_once(create, pods) if refusal}


def delete_pods(api: Api, namespace: str) -> None:
    """Delete all pods of the namespace at once: no kubelet would ever confirm their end."""
    api.request("DELETE", POD.path(namespace), {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
