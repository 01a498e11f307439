"""DevServerUsers: what their tokens can do, what stops them, and what is left when they go."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import rights
from tests.e2e.kube import Kube, Refused, SshKey, condition, devserver, eventually
from tests.e2e.people import Person
from tests.faults.kubeapi import Api
from tests.patience import PATIENTLY, generous
from tests.reconciler_process import ReconcilerProcess

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("reconciler")]

# Promised, in seconds.
TOLD_S, HEALED_S, DENIED_S = 5, 15, 15


@pytest.fixture
def key(tmp_path: Path) -> SshKey:
    return SshKey.make(tmp_path)


def refusal(kube: Kube, *args: str) -> str:
    """What kubectl says when it is refused; empty if it is not."""
    try:
        kube(*args)
    except Refused as refused:
        return str(refused) or "refused without a word"
    return ""


# --- rights

FORBIDDEN = [
    "get secrets",
    "get configmaps",
    "get dvs -n default",
    "get dvs -A",
    "get dvsu",
    "get namespace dev-{name}",
    "get nodes",
    "create token {name}",
    "create rolebinding more --clusterrole=admin --user={name}",
    "run pod --image=local/busybox:1",
    "label namespace dev-{name} pod-security.kubernetes.io/enforce-",
]


def test_a_users_token_is_good_for_the_table_of_rights_and_for_nothing_else(person: Person) -> None:
    person.apply()
    person.wait_ready()
    kubectl = person.sign_in()
    admin, own = Api(person.admin.kubeconfig), Api(kubectl.kubeconfig)
    namespace, resources = person.admin.namespace, rights.served(admin)
    assert rights.OWN.keys() | rights.EVERYWHERE.keys() <= resources.keys(), "the table names what there is"
    assert len(resources) > 100

    asked = rights.questions(resources, namespace, "default")
    print(f"{len(asked)} questions about {len(resources)} resources and subresources")
    assert rights.allowed(own, asked) == rights.table(namespace)
    for path, may in rights.PATHS.items():
        assert rights.review(own, {"nonResourceAttributes": {"path": path, "verb": "get"}}) is may, path

    # What the API server answers is what it does.
    for line in FORBIDDEN:
        assert "forbidden" in refusal(kubectl, *line.format(name=person.name).split()), line
    assert kubectl("get", "dvs,dvsf,pods,services,resourcequotas,events,pvc", "-o", "name")

    # The same person by another way of signing in has the same rights.
    by_name = Api(person.admin.kubeconfig, as_user=person.name)
    assert rights.rules(by_name, namespace) == rights.rules(own, namespace)


# --- the quota


def test_a_quota_stops_the_fifth_devserver_until_it_is_raised(person: Person, key: SshKey) -> None:
    hard = {"pods": 4, "count/devservers.devserver.io": 5, "limits.memory": "4Gi"}
    person.apply(quotas={"resourceQuotaSpec": {"hard": hard}})
    person.wait_ready()
    own = person.sign_in()
    for number in range(1, 5):
        own.apply(devserver(f"box-{number}", key, owner=person.name, running=True))
    eventually(lambda: len(own.names("pods")) == 4, "four pods are made")

    own.apply(devserver("box-5", key, owner=person.name, running=True))
    begun = time.monotonic()
    told = eventually(
        lambda: condition_of(own, "box-5", "QuotaExceeded"),
        "the fifth is told of the quota",
        generous(TOLD_S),
    )
    print(f"told of the quota after {time.monotonic() - begun:.2f} s")
    assert "exceeded quota: devserver-quota" in told["message"]
    assert person.resource()["status"]["namespace"] == own.namespace
    use = eventually(lambda: used(person, pods="4"), "the use is shown")
    assert use["hard"] == {"pods": "4", "count/devservers.devserver.io": "5", "limits.memory": "4Gi"}
    assert use["used"]["count/devservers.devserver.io"] == "5"
    with pytest.raises(Refused, match="exceeded quota: devserver-quota"):
        own.apply(devserver("box-6", key, owner=person.name))

    person.apply(quotas={"resourceQuotaSpec": {"hard": hard | {"pods": 5}}})
    begun = time.monotonic()
    eventually(lambda: condition_of(own, "box-5", "PodReady"), "the fifth is ready", generous(HEALED_S))
    print(f"ready {time.monotonic() - begun:.2f} s after the quota was raised")
    eventually(lambda: used(person, pods="5"), "that use is shown, too")


def condition_of(kube: Kube, name: str, reason: str) -> dict[str, Any]:
    """The DevServer's Ready condition if it has that reason."""
    found = condition(kube.get("dvs", name) or {}, "Ready")
    return found if found.get("reason") == reason else {}


def used(person: Person, **amounts: str) -> dict[str, Any]:
    """The quota in the status, if these amounts are used."""
    quota: dict[str, Any] = person.resource()["status"].get("quota", {})
    return quota if amounts.items() <= quota.get("used", {}).items() else {}


# --- when a user goes


def test_a_removed_user_is_denied_and_gets_its_data_back_and_no_one_else_does(
    person: Person, key: SshKey
) -> None:
    person.apply()
    person.wait_ready()
    own = person.sign_in()
    home = {"size": "10Mi"}
    own.apply(devserver("box", key, owner=person.name, running=True, home=home))
    own.wait_ready("dvs", "box")
    own("exec", "box-0", "--", "sh", "-c", "echo precious > /home/dev/data")
    kept = uids(person.admin)
    assert set(kept) == {"namespace", "pvc", "networkpolicy"}

    begun = time.monotonic()
    person.admin("delete", "dvsu", person.name, "--wait=false")
    said = eventually(lambda: refusal(own, "get", "dvs"), "the token is good for nothing", generous(DENIED_S))
    print(f"denied {time.monotonic() - begun:.2f} s after the user was removed")
    assert "Forbidden" in said or "Unauthorized" in said
    eventually(lambda: not person.resource(), "the resource is gone")
    assert refusal(own, "exec", "box-0", "--", "true")
    # Before kubectl sends anything it asks for the API's schema, and may be refused by other words there.
    with pytest.raises(Refused, match=r"(Forbidden|forbidden|Unauthorized|provide credentials)"):
        own.apply(devserver("more", key, owner=person.name))
    assert uids(person.admin) == kept
    assert person.admin.names("networkpolicy") == {"networkpolicy.networking.k8s.io/devserver-default-deny"}
    assert person.admin.names("serviceaccount,rolebinding,resourcequota") == {"serviceaccount/default"}
    assert condition(person.admin.get("dvs", "box") or {}, "Ready")["status"] == "True"

    # Someone who calls himself the same gets nothing of it.
    other = f"{person.name}-too"
    person.apply(other, deletionPolicy="Delete")
    stalled = eventually(lambda: person.admin.condition("dvsu", other, "Stalled"), "the other is refused")
    assert stalled["reason"] == "NameConflict"
    assert "holds the data of someone else" in stalled["message"]
    assert person.admin.names("serviceaccount,rolebinding") == {"serviceaccount/default"}

    # The same one does, though the other is older by now; tokens of the earlier life stay void.
    person.apply()
    person.wait_ready()
    eventually(
        lambda: person.admin.condition("dvsu", other, "Stalled")["reason"] == "UsernameTaken", "that is told"
    )
    assert uids(person.admin) == kept
    again = person.sign_in()
    assert again("exec", "box-0", "--", "cat", "/home/dev/data") == "precious\n"
    # The API server remembers for ten seconds that a token was good.
    eventually(
        lambda: "Unauthorized" in refusal(own, "get", "dvs"), "the old token stays void", generous(DENIED_S)
    )

    # When the other goes, it takes nothing along.
    person.admin("delete", "dvsu", other, PATIENTLY)
    assert uids(person.admin) == kept
    assert again.names("dvs") == {"devserver.devserver.io/box"}


def uids(admin: Kube) -> dict[str, str]:
    """Of what may be retained, by kind."""
    names = {"namespace": admin.namespace, "pvc": "box-home", "networkpolicy": "devserver-default-deny"}
    found = {kind: admin.get(kind, name) for kind, name in names.items()}
    assert all(item is None or "deletionTimestamp" not in item["metadata"] for item in found.values())
    return {kind: item["metadata"]["uid"] for kind, item in found.items() if item is not None}


def test_an_administrator_can_hand_a_retained_namespace_over(person: Person) -> None:
    person.apply()
    person.wait_ready()
    kept = uids(person.admin)
    heir = f"{person.name}-too"
    person.apply(heir)

    def why() -> str:
        return str(person.admin.condition("dvsu", heir, "Stalled").get("reason"))

    eventually(lambda: why() == "UsernameTaken", "the heir waits")
    person.remove()
    eventually(lambda: why() == "NameConflict", "what was retained is not the heir's")

    objects = [f"namespace/{person.admin.namespace}", "networkpolicy/devserver-default-deny"]
    person.admin("annotate", "--overwrite", *objects, f"devserver.io/retained-by=devserveruser..{heir}")
    person.admin.wait_ready("dvsu", heir)
    assert uids(person.admin) == kept


def test_of_two_users_of_one_name_the_older_wins_and_the_other_follows_when_nothing_was_retained(
    person: Person, key: SshKey
) -> None:
    person.apply(deletionPolicy="Delete")
    person.wait_ready()
    other = f"{person.name}-too"
    person.apply(other)
    stalled = eventually(lambda: person.admin.condition("dvsu", other, "Stalled"), "the younger is told")
    assert stalled["reason"] == "UsernameTaken"
    assert f"spec.username: {person.name} is taken by the DevServerUser {person.name}." in stalled["message"]
    default = Kube(person.admin.kubeconfig, "default")
    events = (
        "events.events.k8s.io",
        "--field-selector",
        f"regarding.name={other},reason=UsernameTaken,type=Warning",
    )
    eventually(lambda: default.names(*events), "there is an Event")

    own = person.sign_in()
    own.apply(devserver("box", key, owner=person.name, home={"size": "10Mi"}))
    own.wait_applied("box")
    before = uids(person.admin)
    person.remove()
    eventually(
        lambda: condition(person.admin.get("dvsu", other) or {}, "Ready").get("reason") == "Applied",
        "the younger takes over when all of the older is gone",
    )
    after = uids(person.admin)
    assert after.keys() == {"namespace", "networkpolicy"}
    assert not set(after.values()) & set(before.values())
    assert person.admin.names("dvs,pvc") == set()


def test_a_namespace_that_is_not_ours_is_never_taken_over(person: Person, kube: Kube) -> None:
    kube("create", "namespace", person.admin.namespace)
    before = (kube.get("namespace", person.admin.namespace) or {})["metadata"]
    person.apply(deletionPolicy="Delete")

    stalled = eventually(lambda: kube.condition("dvsu", person.name, "Stalled"), "it stalls")
    assert stalled["reason"] == "NameConflict"
    assert "namespace" not in person.resource()["status"]
    assert person.admin.names("serviceaccount,rolebinding,networkpolicy") <= {"serviceaccount/default"}
    person.remove()
    assert (kube.get("namespace", person.admin.namespace) or {})["metadata"] == before


# --- roles and pods


@pytest.fixture
def allowing(reconciler: ReconcilerProcess) -> Iterator[ReconcilerProcess]:
    """The reconciler, whose setting DEVSERVER_ALLOWED_ROLES the test may change; in the end it is as it was."""
    yield reconciler
    if reconciler.environment.pop("DEVSERVER_ALLOWED_ROLES", None) is not None:
        reconciler.restart()


def test_an_additional_role_is_given_while_it_is_allowed_and_costs_nothing_else_while_it_is_not(
    person: Person, allowing: ReconcilerProcess
) -> None:
    issuer = {"kind": "ClusterRole", "name": "devserver-token-issuer"}
    person.apply(rbac={"additionalRoleRefs": [issuer]})
    stalled = eventually(lambda: condition(person.resource(), "Stalled"), "it is told")
    assert stalled["reason"] == "RoleNotAllowed"
    assert "spec.rbac.additionalRoleRefs[0]: ClusterRole/devserver-token-issuer" in stalled["message"]
    own = person.sign_in()
    eventually(lambda: not refusal(own, "get", "dvs"), "the other rights are there")
    assert "forbidden" in refusal(own, "create", "token", person.name)

    allowing.environment["DEVSERVER_ALLOWED_ROLES"] = '["ClusterRole/devserver-token-issuer"]'
    allowing.restart()
    person.wait_ready()
    assert own("create", "token", person.name)

    del allowing.environment["DEVSERVER_ALLOWED_ROLES"]
    allowing.restart()
    eventually(lambda: "forbidden" in refusal(own, "create", "token", person.name), "it is taken away")
    assert not refusal(own, "get", "dvs")


def test_no_pod_gets_into_a_users_namespace_that_the_baseline_forbids(person: Person) -> None:
    person.apply()
    person.wait_ready()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "evil"},
        "spec": {
            "containers": [{"name": "c", "image": "local/busybox:1", "securityContext": {"privileged": True}}]
        },
    }
    with pytest.raises(Refused, match='violates PodSecurity "baseline'):
        person.admin.apply(pod)
