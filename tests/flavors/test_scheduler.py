"""What the reconciler says of a flavor, compared with what the real kube-scheduler does with a pod of it."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crds import DevServerFlavorSpec
from crds.resources import NODE, POD, PRIORITY_CLASS, RUNTIME_CLASS, Resource
from reconciler.kinds.flavor.scheduling import capacity
from reconciler.kinds.flavor.scheduling.capacity import Capacity
from reconciler.kinds.flavor.scheduling.fit import Fit
from reconciler.kube.client import MERGE_PATCH, connect
from stacks.devserver.pod import pod_template
from tests import builders
from tests.e2e.kube import eventually
from tests.faults.kubeapi import Api
from tests.flavors.cases import CASES, Case, Object
from tests.flavors.fake_nodes import classes, create_pods, delete_pods, fake_nodes
from tests.flavors.model import fit_of, stored
from tests.flavors.strategies import random_cases
from tests.shared_cluster import SharedCluster

pytestmark = pytest.mark.cluster

# So long a pod that should find no node is given to find one, after all others have found theirs.
_GRACE_S = 2.0
# Each takes some seconds.
_EXAMPLES, _CASES_OF_AN_EXAMPLE = 2, 25


@pytest.fixture(scope="module")
def api(cluster: SharedCluster) -> Iterator[Api]:
    found = Api(cluster.admin)
    with classes(found):
        yield found
    found.close()


@pytest.fixture
def space(api: Api, namespace: str) -> str:
    account = Resource("v1", "ServiceAccount", "serviceaccounts")
    eventually(lambda: api.get(account, namespace, "default"), "pods can be made")
    return namespace


def test_every_case_has_the_answer_of_the_scheduler(cluster: SharedCluster, api: Api, space: str) -> None:
    cases = {f"case-{index}": case for index, case in enumerate(CASES)}
    said, done = compared(cluster, api, space, cases)
    for tag, case in cases.items():
        refused = case.fits is None
        assert (case.name, said[tag].fitting_nodes, said[tag].reason == "PodRefused") == (
            case.name,
            case.fits or 0,
            refused,
        )
        assert (case.name, done[tag]) == (case.name, None if refused else bool(case.fits))


def test_random_cases_have_the_answer_of_the_scheduler(cluster: SharedCluster, api: Api, space: str) -> None:
    both = {True: 0, False: 0}

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        # To look for a smaller one would take an hour; a case is small as it is.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(random_cases(), min_size=_CASES_OF_AN_EXAMPLE, max_size=_CASES_OF_AN_EXAMPLE))
    def agree(cases: list[Case]) -> None:
        tagged = {f"random-{index}": case for index, case in enumerate(cases)}
        said, done = compared(cluster, api, space, tagged)
        wrong = {
            tag: (tagged[tag], said[tag].message)
            for tag in tagged
            if (said[tag].answer == "Yes") != done[tag]
        }
        assert not wrong
        for scheduled in done.values():
            both[scheduled] += 1

    agree()
    # Or little would be learnt from them.
    assert min(both.values()) >= 0.1 * _EXAMPLES * _CASES_OF_AN_EXAMPLE, both


def compared(
    cluster: SharedCluster, api: Api, space: str, cases: Mapping[str, Case]
) -> tuple[dict[str, Fit], dict[str, bool | None]]:
    """By tag: what the reconciler says of each case, and whether the scheduler then found a node for such a pod.

    None: the API server refused the pod.
    """
    nodes = [node for tag, case in cases.items() for node in case.node_manifests(tag)]
    with fake_nodes(api, nodes):
        try:
            hold(api, space, cases)
            capacity_now = asyncio.run(observed(cluster))
            said = {tag: fit_of(case.spec(tag), capacity_now) for tag, case in cases.items()}
            refused = create_pods(api, space, pods_of_flavors(cases))
            awaited = {tag for tag, found in said.items() if found.answer == "Yes"} - refused.keys()
            done = scheduled(api, space, cases.keys() - refused.keys(), awaited)
        finally:
            delete_pods(api, space)
    return said, {tag: None if tag in refused else tag in done for tag in cases}


def hold(api: Api, space: str, cases: Mapping[str, Case]) -> None:
    """Put the pods of the cases on their nodes."""
    pods = {
        manifest["metadata"]["name"]: (pod, manifest)
        for tag, case in cases.items()
        for pod, manifest in zip(case.pods, case.pod_manifests(tag), strict=True)
    }
    assert create_pods(api, space, [manifest for _, manifest in pods.values()]) == {}
    for name, (pod, _) in pods.items():
        if pod.phase != "Pending":
            path = POD.path(space, name, "status")
            api.request("PATCH", path, {"status": {"phase": pod.phase}}, MERGE_PATCH)
        if pod.deleting:
            api.request("DELETE", POD.path(space, name), {"gracePeriodSeconds": 300})


async def observed(cluster: SharedCluster) -> Capacity:
    """What the reconciler's watches would list, under its own identity."""
    with patch.dict(os.environ, {"KUBECONFIG": str(cluster.reconciler)}):
        async with connect() as connection:

            async def listed(
                resource: Resource, transform: Any, fields: str = ""
            ) -> dict[tuple[str, str], Object]:
                return stored((await connection.list_all(resource, fields=fields, transform=transform))[0])

            return Capacity(
                nodes=await listed(NODE, capacity.reduce_node),
                pods=await listed(POD, capacity.reduce_pod, capacity.NON_TERMINATED_PODS),
                priority_classes=await listed(PRIORITY_CLASS, capacity.reduce_priority_class),
                runtime_classes=await listed(RUNTIME_CLASS, capacity.reduce_runtime_class),
            )


def pods_of_flavors(cases: Mapping[str, Case]) -> list[Object]:
    """A DevServer's pod of each case's flavor, as the program declares it."""

    return [
        {"metadata": {"name": tag}, "spec": pod_of(DevServerFlavorSpec.model_validate(case.spec(tag)))}
        for tag, case in cases.items()
    ]


def pod_of(flavor: DevServerFlavorSpec) -> Object:
    template = pod_template(
        name="box",
        spec=builders.devserver().spec,
        flavor=flavor,
        tools_image="local/devserver-tools:1",
        sshd_config_map="none",
        host_keys_secret="none",
        home_claim="none",
    )
    found: Object = template["spec"]
    return found


def scheduled(api: Api, space: str, tags: set[str], awaited: set[str]) -> set[str]:
    """The tags whose pod has a node, once the scheduler has looked at each. awaited: those that should have one."""

    def statuses() -> dict[str, str]:
        return {
            pod["metadata"]["name"]: condition["status"]
            for pod in api.list(POD, space)
            if pod["metadata"]["name"] in tags
            for condition in pod.get("status", {}).get("conditions", [])
            if condition["type"] == "PodScheduled"
        }

    def looked_at() -> bool:
        found = statuses()
        return found.keys() >= tags and all(found[tag] == "True" for tag in awaited)

    # If some stay without, the comparison names them.
    with suppress(AssertionError):
        eventually(looked_at, "the scheduler has looked at every pod")
        time.sleep(_GRACE_S)
    return {tag for tag, status in statuses().items() if status == "True"}
