"""How the situations of docs/troubleshooting.md come about, all but those that other tests produce anyway."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.e2e.kube import Refused, devserver, eventually
from tests.e2e.people import manifest as user
from tests.e2e.situations import (
    MADE,
    NO_NODE,
    REFUSED,
    Case,
    Fact,
    Ground,
    Object,
    could_not_start,
    ended_times,
    has_ended,
    in_space,
    is_true,
    on_pod,
    says,
    waits_for,
)

_BUSYBOX = "/opt/devserver/bin/busybox"
# Of a runtime that no node has.
RUNTIME_CLASS = "nonesuch-runtime"
STOPPED: Object = {"running": False}


def mounting(claim: str, path: str = "/data") -> Object:
    return {"volumes": [{"claimName": claim, "mountPath": path}]}


def claim(ground: Ground, name: str, **spec: Any) -> Object:
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **spec},
    }
    return in_space(ground, "", manifest)


def broken_volume(ground: Ground) -> list[Object]:
    """A claim whose volume is a directory of the node that is not there."""
    name = ground.named("broken")
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/var/lib/nonesuch", "type": "Directory"},
        # Else any claim without a class may take it.
        "claimRef": {"namespace": ground.space().namespace, "name": "broken"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    return [volume, claim(ground, "broken", storageClassName="", volumeName=name)]


def runtime_class(ground: Ground) -> list[Object]:
    return [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": RUNTIME_CLASS},
            "handler": "nonesuch",
        }
    ]


def quota(space: str, **hard: str) -> Callable[[Ground], list[Object]]:
    def made(ground: Ground) -> list[Object]:
        manifest = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": hard},
        }
        return [in_space(ground, space, manifest)]

    return made


def foreign_service(ground: Ground) -> list[Object]:
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "conflict-ssh"},
        "spec": {"ports": [{"port": 80}]},
    }
    return [in_space(ground, "", manifest)]


def empty_host_keys(ground: Ground) -> list[Object]:
    return [
        in_space(ground, "", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keyless-hostkeys"}})
    ]


def policy(ground: Ground) -> list[Object]:
    """No Services in one namespace."""
    name = ground.named("policy")
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"], "operations": ["CREATE"]}
    scope = {"matchLabels": {"kubernetes.io/metadata.name": ground.space("policy").namespace}}
    group = "admissionregistration.k8s.io/v1"
    return [
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule], "namespaceSelector": scope},
                "validations": [{"expression": "false", "message": "Services are out of fashion"}],
            },
        },
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


# --- what is done to them --------------------------------------------------------------------------------------------


def in_container(ground: Ground, name: str, *command: str) -> None:
    """Run a command in the main container, which may well end by it."""
    with suppress(Refused):
        ground.space()("exec", f"{name}-0", "-c", "devserver", "--", _BUSYBOX, *command)


def ended(name: str, times: int, *before: str) -> Callable[[Ground], None]:
    """Have the main container end so often. before: a command to run in it first."""

    def act(ground: Ground) -> None:
        while (so_far := ended_times(ground.pod(name))) < times:
            ground.await_pod(name)
            if before:
                in_container(ground, name, *before)
            in_container(ground, name, "kill", "1")
            eventually(lambda so_far=so_far: ended_times(ground.pod(name)) > so_far, "it has ended")  # type: ignore[misc]

    return act


def silence_node(ground: Ground) -> None:
    """What the controller-manager writes when a node has said nothing for most of a minute."""
    ground.await_pod("stays")
    silent = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    ground.space()("patch", "pod", "stays-0", "--subresource=status", "-p", json.dumps(silent))


def hold_pod(ground: Ground) -> None:
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    ground.space()("patch", "pod", "stays-0", "--type=merge", "-p", json.dumps(held))
    ground.space()("delete", "pod", "stays-0", "--wait=false")


def change_flavor(ground: Ground) -> None:
    ground.await_pod("stays")
    more = {"requests": {"cpu": "11m", "memory": "17Mi"}}
    ground.kube.patch("dvsf", ground.named("stays"), {"resources": more})


def take_home(ground: Ground) -> None:
    eventually(lambda: ground.space().get("pvc", "stays-home"), "there is a home to take")
    thief = devserver("thief", ground.key, owner="mallory@example.com", **mounting("stays-home"))
    ground.space().apply(thief)


def move_home(ground: Ground) -> None:
    """By the one way that the API server lets pass."""
    ground.space().wait_applied("moved")
    ground.space()("patch", "dvs", "moved", "--type=merge", "-p", json.dumps({"spec": {"home": None}}))
    ground.space().wait_applied("moved")
    ground.space().patch("dvs", "moved", {"home": {"size": "10Mi", "storageClassName": "other"}})


def meddle(ground: Ground) -> None:
    ground.space().wait_applied("observed")
    theirs = json.dumps({"data": {"motd": "theirs"}})
    ground.space()("patch", "configmap", "observed-sshd", "--type=merge", "-p", theirs)


def delete_users_namespace(ground: Ground) -> None:
    name = ground.named("user")
    ground.kube.apply(user(name, name, deletionPolicy="Delete"))
    ground.kube.wait_ready("dvsu", name)
    held = {"name": "held", "finalizers": ["example.com/hold"]}
    ground.space("user").apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    ground.kube("delete", "namespace", ground.space("user").namespace, "--wait=false")


def is_silent(pod: Object) -> bool:
    return is_true(pod, "ContainersReady") and not is_true(pod, "Ready")


def moves_home(obj: Object) -> bool:
    return "storageClassName" in obj["spec"].get("home", {})


TOO_MUCH = ("awk", 'BEGIN { text = "0123456789abcdef"; while (1) text = text text }')
PULLED_IN_VAIN = waits_for("ErrImagePull", "ImagePullBackOff")

CASES: dict[str, Case] = {
    # Those that take longest come first.
    "The image does not exist, or its registry cannot be reached": Case(
        "image", {"image": "local/nonesuch:1"}, facts=(PULLED_IN_VAIN,)
    ),
    "A Secret of `imagePullSecrets` is missing": Case(
        "secretless",
        {"image": "local/nonesuch:2", "imagePullSecrets": [{"name": "nonesuch"}]},
        facts=(PULLED_IN_VAIN, says("FailedToRetrieveImagePullSecret")),
    ),
    "The image's name is malformed": Case(
        "malformed", {"image": "local/Upper:1"}, facts=(waits_for("InvalidImageName"),)
    ),
    "A claim of `spec.volumes` does not exist": Case("claimless", mounting("nonesuch"), facts=(NO_NODE,)),
    "A claim of `spec.volumes` has no volume": Case(
        "unbound",
        mounting("unbound"),
        before=lambda ground: [claim(ground, "unbound", storageClassName="")],
        facts=(NO_NODE,),
    ),
    "The home's storage class does not exist": Case(
        "classless",
        {"home": {"size": "1Mi", "storageClassName": "nonesuch"}},
        facts=(NO_NODE, says("ProvisioningFailed", "{}-home")),
    ),
    "A volume cannot be mounted on its node": Case(
        "broken", mounting("broken"), before=broken_volume, facts=(says("FailedMount"),)
    ),
    "The node has no runtime for the flavor's runtime class": Case(
        "runtime",
        {},
        {"runtimeClassName": RUNTIME_CLASS},
        before=runtime_class,
        facts=(says("FailedCreatePodSandBox"),),
    ),
    "The container cannot be started: a volume is mounted over a file of the image": Case(
        "covered",
        {"image": "local/debian:bookworm", **mounting("cover", "/bin/cat")},
        before=lambda ground: [claim(ground, "cover")],
        facts=(on_pod(could_not_start),),
    ),
    "No node has room": Case("huge", {}, {"resources": {"requests": {"cpu": "4000"}}}, facts=(NO_NODE,)),
    "No node is one that the flavor selects": Case(
        "selective", {}, {"nodeSelector": {"example.com/nonesuch": "yes"}}, facts=(NO_NODE,)
    ),
    "A quota has no room for the pod": Case(
        "crowded", {}, space="pods", before=quota("pods", pods="0"), facts=(REFUSED,)
    ),
    "A quota has no room for another child": Case(
        "crowded", {}, space="services", before=quota("services", services="0")
    ),
    "Pod Security of the namespace forbids the pod": Case(
        "forbidden", {}, space="restricted", facts=(REFUSED,)
    ),
    "The flavor's runtime class does not exist": Case(
        "runtimeless", {}, {"runtimeClassName": "nonesuch"}, facts=(REFUSED,)
    ),
    "The flavor does not exist": Case("flavorless", {"flavor": "nonesuch"}, facts=(MADE,)),
    "Another object has the name of a child": Case("conflict", STOPPED, before=foreign_service),
    "The public key cannot be parsed": Case(
        "unreadable", {**STOPPED, "ssh": {"publicKey": "ssh-ed25519 AAAA"}}, facts=(MADE,)
    ),
    "The Secret for host keys has none": Case("keyless", STOPPED, before=empty_host_keys),
    "An admission policy forbids a child": Case("rejected", STOPPED, space="policy", before=policy),
    "It is stopped": Case("stopped", STOPPED),
    "It ends within 5 minutes": Case("expiring", {**STOPPED, "lifecycle": {"timeToLive": "5m5s"}}),
    "The container ended once": Case("ends", {}, act=ended("ends", 1), facts=(has_ended(1),)),
    "The container ends again and again": Case("ends", act=ended("ends", 2), facts=(has_ended(2),)),
    "The container needs more memory than its flavor's limit": Case(
        "hungry",
        {},
        {"resources": {"limits": {"memory": "48Mi"}}},
        act=ended("hungry", 2, *TOO_MUCH),
        facts=(has_ended(2),),
    ),
    "The flavor changed under a running pod": Case("stays", {"home": {"size": "1Mi"}}, {}, act=change_flavor),
    "The pod's node does not respond": Case("stays", act=silence_node, facts=(on_pod(is_silent),)),
    "The earlier pod does not end": Case(
        "stays", act=hold_pod, facts=(on_pod(lambda pod: "deletionTimestamp" in pod["metadata"]),)
    ),
    "A volume is the home of another DevServer": Case("thief", act=take_home, facts=(MADE,)),
    "The spec names another storage class than the existing home has": Case(
        "moved",
        {**STOPPED, "home": {"size": "1Mi"}},
        act=move_home,
        facts=(Fact("DevServer", "{}", moves_home),),
    ),
    "Someone changed a child, and `driftPolicy` is `Observe`": Case(
        "observed", {**STOPPED, "driftPolicy": "Observe"}, act=meddle
    ),
    "The user's namespace is being deleted": Case("user", kind="DevServerUser", act=delete_users_namespace),
}
SPACES = ("", *sorted({case.space for case in CASES.values()} - {""}))
