"""Writes that the API server refuses: quotas, webhooks, policies, foreign objects, immutable fields."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crds.resources import POD, PVC, QUOTA, SECRET, Resource
from tests import shared_cluster
from tests.e2e.kube import condition, eventually
from tests.faults.harness import Operator, Space
from tests.faults.invariants import CONFIG_MAP, SERVICE, Guard
from tests.faults.kubeapi import Api, ApiError, Object
from tests.faults.proxy import Exchange
from tests.faults.webhook import Webhook, webhook
from tests.patience import generous
from tests.shared_cluster import SharedCluster

POLICY = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
)
BINDING = Resource(
    POLICY.api_version, f"{POLICY.kind}Binding", "validatingadmissionpolicybindings", namespaced=False
)
# The next try is at most 5 s away, the operators' longest delay, and far ahead of what `patient` would try by itself.
SOON_S = generous(5)


@pytest.fixture(scope="module")
def operator(cluster: SharedCluster) -> Iterator[Operator]:
    """One operator for all of these: what is refused must not harm what follows."""
    with Operator.running(cluster) as operator:
        yield operator


@pytest.fixture
def hook(api: Api, space: Space, tmp_path: Path, cluster: SharedCluster) -> Iterator[Webhook]:
    """A webhook that admits all children of the namespace until told otherwise."""
    with webhook(api, shared_cluster.host_address(), space.namespace, tmp_path) as hook:
        yield hook


def await_condition(space: Space, name: str, type_: str, reason: str, timeout_s: float = SOON_S) -> str:
    """Wait for a condition with the reason; returns its message."""

    def told() -> str | None:
        found = condition(space.get(name) or {}, type_)
        return found["message"] if found.get("reason") == reason else None

    return eventually(told, f"{name} has {type_} with reason {reason}", timeout_s) or ""


# --- quotas


def limit_secrets(api: Api, space: Space, most: int) -> None:
    """Let the namespace hold so many Secrets. (The guard's decoys are one.)"""
    body = {
        "metadata": {"name": "few", "namespace": space.namespace},
        "spec": {"hard": {"count/secrets": str(most)}},
    }
    if api.get(QUOTA, space.namespace, "few") is None:
        api.create(QUOTA, body)
    else:
        api.patch(QUOTA, space.namespace, "few", body)
    eventually(
        lambda: (
            (api.get(QUOTA, space.namespace, "few") or {})
            .get("status", {})
            .get("hard", {})
            .get("count/secrets")
            == str(most)
        ),
        "the quota is in force",
    )


@pytest.fixture
def patient(cluster: SharedCluster, operator: Operator) -> Iterator[Operator]:
    """An operator whose tries lie so far apart that only a watch can be what wakes it. The other one rests."""
    operator.stop()
    with Operator.running(cluster, retry_base_s=200, retry_cap_s=300) as patient:
        yield patient
    operator.start()


def test_a_quota_stops_a_run_by_name_and_the_run_goes_on_as_soon_as_it_is_raised(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    limit_secrets(api, space, 1)
    space.create("box")
    message = await_condition(space, "box", "Reconciling", "QuotaExceeded")
    assert "few" in message
    assert "count/secrets" in message
    limit_secrets(api, space, 10)
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


def test_host_keys_that_are_gone_and_cannot_be_made_anew_at_first_stay_the_same(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied("box")
    guard.note_host_keys()
    limit_secrets(api, space, 0)
    api.delete(SECRET, space.namespace, "box-hostkeys")
    await_condition(space, "box", "Reconciling", "QuotaExceeded")
    # A second failed run begins with what the first one left.
    space.patch("box", image="local/busybox:2")
    eventually(lambda: operator.runs("box") >= 3, "it was tried again")
    limit_secrets(api, space, 10)
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


def test_a_pod_that_a_quota_stops_is_told_of_and_made_as_soon_as_it_is_raised(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    """The StatefulSet's controller says so in an Event only, and would try again in minutes."""

    def limit_pods(most: int) -> None:
        body = {
            "metadata": {"name": "pods", "namespace": space.namespace},
            "spec": {"hard": {"pods": str(most)}},
        }
        if most:
            api.patch(QUOTA, space.namespace, "pods", body)
        else:
            api.create(QUOTA, body)
            eventually(
                lambda: (api.get(QUOTA, space.namespace, "pods") or {}).get("status", {}).get("hard"),
                "it holds",
            )

    limit_pods(0)
    space.create("box", running=True)
    message = await_condition(space, "box", "Ready", "QuotaExceeded")
    assert "exceeded quota: pods" in message
    # By now the controller has tried some times, and waits longer each time.
    time.sleep(8)
    limit_pods(1)
    begun = time.monotonic()
    eventually(lambda: api.get(POD, space.namespace, "box-0"), "there is a pod", SOON_S)
    print(f"a pod {time.monotonic() - begun:.2f} s after its quota was raised")
    eventually(
        lambda: condition(space.get("box") or {}, "Ready").get("reason") != "QuotaExceeded",
        "that is told",
        SOON_S,
    )
    guard.check()


@pytest.mark.full
def test_a_raised_quota_and_room_that_another_leaves_wake_who_waits_for_them(
    space: Space, patient: Operator, api: Api
) -> None:
    guard = Guard(space, [patient])
    limit_secrets(api, space, 2)
    space.create("first")
    space.await_applied("first")
    space.create("second")
    await_condition(space, "second", "Reconciling", "QuotaExceeded")
    space.create("third")
    await_condition(space, "third", "Reconciling", "QuotaExceeded")
    space.delete("first")
    # The quota's controller counts anew what was deleted.
    eventually(lambda: sum(_is_made(space, name) for name in ("second", "third")) == 1, "one has room")
    limit_secrets(api, space, 10)
    space.await_applied("second", "third", timeout_s=SOON_S)
    guard.check()


def _is_made(space: Space, name: str) -> bool:
    return "inputsDigest" in (space.get(name) or {}).get("status", {})


# --- webhooks and policies


def test_a_webhook_that_denies_is_told_of_and_got_over_when_it_admits(
    operator: Operator, space: Space, guard: Guard, hook: Webhook
) -> None:
    hook.denies("only on Sundays")
    space.create("box")
    message = await_condition(space, "box", "Stalled", "Rejected")
    assert "only on Sundays" in message
    hook.admits()
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


def test_a_webhook_that_gives_no_answer_is_told_of_and_got_over_when_it_does(
    operator: Operator, space: Space, guard: Guard, hook: Webhook
) -> None:
    space.create("box")
    space.await_applied("box")
    hook.sleeps(60)
    space.patch("box", image="local/busybox:2")
    message = await_condition(space, "box", "Reconciling", "WebhookFailed")
    assert "children.faults.example.com" in message
    hook.admits()
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


def test_a_devserver_is_deleted_though_a_webhook_refuses_every_write(
    operator: Operator, space: Space, guard: Guard, hook: Webhook
) -> None:
    space.create("whole")
    space.await_applied("whole")
    hook.denies("never")
    space.create("half")
    await_condition(space, "half", "Stalled", "Rejected")
    for name in ("whole", "half"):
        space.delete(name)
    space.await_gone(timeout_s=SOON_S)
    guard.check()


def test_a_deletion_that_a_webhook_refuses_is_told_of_and_done_when_it_admits(
    operator: Operator, space: Space, guard: Guard, api: Api, tmp_path: Path
) -> None:
    space.create("box")
    space.await_applied("box")
    address = shared_cluster.host_address()
    with webhook(api, address, space.namespace, tmp_path, operations=("DELETE",)) as hook:
        hook.denies("keep it")
        space.delete("box")
        assert "keep it" in await_condition(space, "box", "Stalled", "Rejected")
        hook.admits()
        space.await_gone("box", timeout_s=SOON_S)
    guard.check()


@pytest.mark.full
def test_an_admission_policy_that_denies_is_told_of_and_got_over_when_it_is_gone(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    name = f"{space.namespace}-no-services"
    scope = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.namespace}}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"], "operations": ["CREATE"]}
    never = [{"expression": "false", "message": "Services are out of fashion"}]
    api.create(
        POLICY,
        {
            "metadata": {"name": name},
            "spec": {"matchConstraints": {"resourceRules": [rule], **scope}, "validations": never},
        },
    )
    api.create(
        BINDING,
        {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}},
    )
    try:
        eventually(lambda: _refuses_services(api, space), "the policy is in force")
        space.create("box")
        message = await_condition(space, "box", "Stalled", "Rejected")
        assert "Services are out of fashion" in message
    finally:
        api.delete(BINDING, "", name)
        api.delete(POLICY, "", name)
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


def _refuses_services(api: Api, space: Space) -> bool:
    body = {
        "metadata": {"name": "probe", "namespace": space.namespace},
        "spec": {"ports": [{"port": 1}]},
    }
    try:
        api.create(SERVICE, body)
    except ApiError:
        return True
    api.delete(SERVICE, space.namespace, "probe")
    return False


# --- foreign objects


def foreign(resource: Resource, name: str, namespace: str) -> Object:
    """An object of someone else that has a child's name."""
    content: dict[str, Any] = (
        {"spec": {"ports": [{"port": 80}]}} if resource is SERVICE else {"data": {"theirs": "eHg="}}
    )
    return {"metadata": {"name": name, "namespace": namespace}} | content


EACH_CHILD = pytest.mark.parametrize(
    ("resource", "name"),
    [
        pytest.param(CONFIG_MAP, "box-sshd", id="ConfigMap"),
        pytest.param(SERVICE, "box-ssh", id="Service", marks=pytest.mark.full),
    ],
)


@EACH_CHILD
def test_a_foreign_object_with_a_childs_name_stops_the_run_untouched(
    operator: Operator, space: Space, guard: Guard, api: Api, resource: Resource, name: str
) -> None:
    theirs = api.create(resource, foreign(resource, name, space.namespace))
    space.create("box")
    assert name in await_condition(space, "box", "Stalled", "NameConflict")
    assert api.get(resource, space.namespace, name) == theirs
    api.delete(resource, space.namespace, name)
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


@EACH_CHILD
def test_a_foreign_object_that_appears_between_check_and_create_is_untouched_too(
    operator: Operator, space: Space, guard: Guard, api: Api, resource: Resource, name: str
) -> None:
    made: list[Object] = []

    def intrude(exchange: Exchange) -> None:
        # The engine writes children only, and with a PATCH: the check was a GET of the operator's own.
        writes = exchange.method in ("POST", "PATCH")
        is_child = f"/{space.namespace}/{resource.plural}" in exchange.path and (
            exchange.path.endswith(f"/{name}") or f'"{name}"'.encode() in exchange.body
        )
        if writes and is_child and not made:
            made.append(api.create(resource, foreign(resource, name, space.namespace)))

    with operator.proxy.before(intrude):
        space.create("box")
        assert name in await_condition(space, "box", "Stalled", "NameConflict")
    assert made, "it did not come between"
    assert api.get(resource, space.namespace, name) == made[0]

    # Neither does the end of the DevServer touch it.
    space.delete("box")
    space.await_gone("box", timeout_s=SOON_S)
    assert api.get(resource, space.namespace, name) == made[0]
    guard.check()


# --- immutable fields


def test_a_field_that_cannot_change_is_refused_at_once_with_the_reason(
    operator: Operator, space: Space, guard: Guard
) -> None:
    space.create("box", home={"size": "1Gi", "storageClassName": "standard"})
    space.await_applied("box")
    for home, why in (
        ({"storageClassName": "other"}, "storageClassName of a home cannot be changed"),
        ({"size": "1Mi"}, "spec.home"),
    ):
        with pytest.raises(ApiError, match=why):
            space.patch("box", home=home)
    guard.check()


@pytest.mark.full
def test_a_retained_home_of_another_class_is_refused_and_stays_as_it_is(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box", home={"size": "1Mi", "storageClassName": "standard"})
    space.await_applied("box")
    space.delete("box")
    space.await_gone("box")
    retained = api.get(PVC, space.namespace, "box-home")
    assert retained is not None

    space.create("box", home={"size": "1Mi", "storageClassName": "other"})
    message = await_condition(space, "box", "Stalled", "HomeCannotMove")
    assert "box-home" in message
    now = api.get(PVC, space.namespace, "box-home")
    assert now is not None
    assert now["metadata"]["uid"] == retained["metadata"]["uid"]
    assert now["spec"] == retained["spec"]

    # The way out: the spec as it was.
    space.delete("box")
    space.await_gone("box")
    space.create("box", home={"size": "1Mi", "storageClassName": "standard"})
    space.await_applied("box", timeout_s=SOON_S)
    now = api.get(PVC, space.namespace, "box-home")
    assert now is not None
    assert now["metadata"]["uid"] == retained["metadata"]["uid"]
    guard.check()


@pytest.mark.full
def test_a_child_that_someone_made_immutable_is_named_and_healed_by_its_deletion(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box", lifecycle={"timeToLive": "1h"})
    space.await_applied("box")
    api.patch(CONFIG_MAP, space.namespace, "box-sshd", {"immutable": True})
    space.patch("box", lifecycle={"timeToLive": "2h"})
    message = await_condition(space, "box", "Stalled", "Rejected")
    assert "box-sshd" in message
    assert "immutable" in message
    api.delete(CONFIG_MAP, space.namespace, "box-sshd")
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()


@pytest.mark.full
def test_host_keys_that_someone_made_immutable_stay_and_harm_nothing(
    operator: Operator, space: Space, guard: Guard, api: Api
) -> None:
    space.create("box")
    space.await_applied("box")
    guard.note_host_keys()
    api.patch(SECRET, space.namespace, "box-hostkeys", {"immutable": True})
    space.patch("box", image="local/busybox:2")
    space.await_applied("box", timeout_s=SOON_S)
    guard.check()
