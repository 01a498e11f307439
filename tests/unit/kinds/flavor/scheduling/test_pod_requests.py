"""Effective requests of pods. tests/flavors compares those of whole pods with the real kube-scheduler."""

from typing import Any

import pytest

from reconciler.kinds.flavor.scheduling.pod_requests import pod_requests
from tests.flavors.cases import container

Object = dict[str, Any]


def pod(*containers: Object, status: Object | None = None, **spec: Any) -> Object:
    return {"spec": {"containers": list(containers), **spec}, "status": status or {}}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (pod(), {}),
        (pod(container("a")), {}),
        (pod(container("a", cpu="1500m", memory="1Ki")), {"cpu": 1500, "memory": 1024}),
        (pod(container("a", cpu="1"), container("b", cpu="0.5", memory="1")), {"cpu": 1500, "memory": 1}),
        (pod(container("a", cpu="100u", memory="100m")), {"cpu": 1, "memory": 1}),
        (pod(container("a", memory="500m"), container("b", memory="500m")), {"memory": 1}),
        (pod({"name": "a", "resources": {"limits": {"cpu": "2"}}}), {"cpu": 2000}),
        (pod({"name": "a"}, initContainers=None, overhead=None, resources=None), {}),
        (pod(container("a", cpu="1"), overhead={"cpu": "250m", "memory": "1"}), {"cpu": 1250, "memory": 1}),
        (
            pod(
                container("a", cpu="1", gpu="1"),
                resources={"requests": {"cpu": "500m"}},
                overhead={"cpu": "1m"},
            ),
            {"cpu": 501, "gpu": 1},
        ),
        (pod(resources={"requests": {"ephemeral-storage": "1Gi"}}), {}),
        (
            pod(
                container("a", cpu="1"),
                initContainers=[
                    container("b", cpu="2"),
                    container("c", always=True, cpu="1"),
                    container("d", cpu="3", memory="5"),
                    container("e", always=True, cpu="1"),
                ],
            ),
            {"cpu": 4000, "memory": 5},
        ),
    ],
    ids=[
        "no container",
        "nothing requested",
        "one container",
        "containers together",
        "finer than a thousandth or a byte",
        "rounded up as a sum",
        "a limit is a request",
        "fields that are null",
        "overhead",
        "of the pod as a whole, and overhead on top",
        "of the pod as a whole, but not for this resource",
        "sidecars from their start on",
    ],
)
def test_the_effective_requests(manifest: Object, expected: dict[str, int]) -> None:
    assert pod_requests(manifest) == expected


def resizing(spec: str, given: str, allocated: str, *, infeasible: bool = False) -> Object:
    conditions = (
        [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}] if infeasible else []
    )
    status = {
        "name": "a",
        "resources": {"requests": {"cpu": given}},
        "allocatedResources": {"cpu": allocated},
    }
    return pod(container("a", cpu=spec), status={"containerStatuses": [status], "conditions": conditions})


@pytest.mark.parametrize(
    ("manifest", "cpu"),
    [
        (resizing("2", "1", "1"), 2000),
        (resizing("1", "2", "1"), 2000),
        (resizing("1", "1", "2"), 2000),
        (resizing("8", "1", "2", infeasible=True), 2000),
    ],
    ids=["grows", "shrinks", "granted, not done", "can never be"],
)
def test_the_larger_amount_counts_while_a_pod_is_resized(manifest: Object, cpu: int) -> None:
    assert pod_requests(manifest) == {"cpu": cpu}


@pytest.mark.parametrize(
    "manifest",
    [
        pod(container("a", cpu="lots")),
        pod(container("a", cpu="-1")),
        pod(container("a", cpu="")),
        pod(initContainers=[container("a", cpu="lots")]),
        pod(overhead={"cpu": "lots"}),
        pod(resources={"requests": {"cpu": "lots"}}),
    ],
    ids=["a container", "negative", "empty", "an init container", "overhead", "as a whole"],
)
def test_an_unreadable_quantity_is_an_error_that_names_the_resource(manifest: Object) -> None:
    with pytest.raises(ValueError, match=r"cpu: '.*' is not a quantity"):
        pod_requests(manifest)


def test_an_amount_that_is_too_large_is_clamped() -> None:
    assert pod_requests(pod(container("a", memory="999999999999999Pi"))) == {"memory": 2**63 - 1}
