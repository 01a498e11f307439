"""Every pod that the operator makes passes its Pod Security level, by the rules of the Pod Security Standards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stacks import flavor
from stacks.devserver import program as devserver
from stacks.security import CAPABILITIES
from tests.builders import HOST_KEYS, devserver_inputs, flavor_inputs
from tests.declared import declared

Spec = dict[str, Any]
Rule = Callable[[Spec, Spec], bool]

# Of the standards, as far as our pods could break them: https://kubernetes.io/docs/concepts/security/pod-security-standards/
_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}
_RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def context(container: Spec) -> Spec:
    found: Spec = container.get("securityContext", {})
    return found


def capabilities(container: Spec, what: str) -> set[str]:
    return set(context(container).get("capabilities", {}).get(what, []))


def effective(pod: Spec, container: Spec, field: str) -> Any:
    """Of the container, else of the pod, as kubelet takes it."""
    return context(container).get(field, pod.get("securityContext", {}).get(field))


BASELINE: dict[str, Rule] = {
    "host namespaces": lambda pod, _: not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(),
    "host paths": lambda pod, _: not any("hostPath" in volume for volume in pod.get("volumes", [])),
    "sysctls": lambda pod, _: "sysctls" not in pod.get("securityContext", {}),
    "privileged": lambda _, container: not context(container).get("privileged"),
    "capabilities": lambda _, container: capabilities(container, "add") <= _BASELINE_CAPABILITIES,
    "host ports": lambda _, container: all("hostPort" not in port for port in container.get("ports", [])),
    "proc mount": lambda _, container: "procMount" not in context(container),
    "seccomp": lambda pod, container: (
        effective(pod, container, "seccompProfile") in (None, {"type": "RuntimeDefault"})
    ),
}
RESTRICTED: dict[str, Rule] = {
    **BASELINE,
    "volume types": lambda pod, _: all(
        volume.keys() - {"name"} <= _RESTRICTED_VOLUMES for volume in pod.get("volumes", [])
    ),
    "privilege escalation": lambda _, container: context(container).get("allowPrivilegeEscalation") is False,
    "non-root": lambda pod, container: effective(pod, container, "runAsNonRoot") is True,
    "user": lambda pod, container: effective(pod, container, "runAsUser") != 0,
    "seccomp set": lambda pod, container: (
        effective(pod, container, "seccompProfile") == {"type": "RuntimeDefault"}
    ),
    "capabilities dropped": lambda _, container: (
        "ALL" in capabilities(container, "drop") and capabilities(container, "add") <= {"NET_BIND_SERVICE"}
    ),
}
LEVELS = {"baseline": BASELINE, "restricted": RESTRICTED}


def containers(pod: Spec) -> Iterator[Spec]:
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def broken(level: str, pod: Spec) -> set[tuple[str, str]]:
    """What breaks the level: container and rule."""
    return {
        (container["name"], name)
        for container in containers(pod)
        for name, holds in LEVELS[level].items()
        if not holds(pod, container)
    }


def pods(profile: str) -> dict[str, Spec]:
    """Every pod that is made for a flavor of that profile."""
    spec: Spec = {
        "securityProfile": profile,
        "shmSize": "1Gi",
        "volumes": [{"claimName": "datasets", "mountPath": "/datasets", "readOnly": True}],
    }
    prewarm = {"images": ["debian:bookworm"], "replicas": 1}
    home = {"home": {"size": "1Gi"}, "volumes": [{"claimName": "data", "mountPath": "/data"}]}
    programs = {
        "bare": devserver.program(devserver_inputs(flavor={"securityProfile": profile}), HOST_KEYS),
        "box": devserver.program(devserver_inputs(flavor=spec, spec=home), HOST_KEYS),
        "flavor": flavor.program(flavor_inputs(prewarm=prewarm, **spec)),
    }
    return {
        f"{title}/{name}": resource.manifest["spec"]["template"]["spec"]
        for title, program in programs.items()
        for name, resource in declared(program).items()
        if "template" in resource.manifest.get("spec", {})
    }


PODS = {(profile, name): pod for profile in LEVELS for name, pod in pods(profile).items()}


def test_the_pods_are_those_of_devservers_and_flavors() -> None:
    names = {"bare/workload", "box/workload", "flavor/prewarm", "flavor/placeholders"}
    assert PODS.keys() == {(profile, name) for profile in LEVELS for name in names}


@pytest.mark.parametrize(("profile", "name"), PODS)
def test_a_pod_passes_the_level_that_its_flavor_names(profile: str, name: str) -> None:
    assert broken(profile, PODS[profile, name]) == set()


@pytest.mark.parametrize("name", ["flavor/prewarm", "flavor/placeholders"])
@pytest.mark.parametrize("profile", LEVELS)
def test_the_pods_of_a_flavor_itself_need_no_rights_whatever_it_names(profile: str, name: str) -> None:
    assert broken("restricted", PODS[profile, name]) == set()


def test_a_baseline_pod_keeps_from_restricted_only_what_root_needs() -> None:
    assert broken("restricted", PODS["baseline", "box/workload"]) == {
        ("devserver", "capabilities dropped"),
        ("devserver", "non-root"),
        ("devserver", "privilege escalation"),
        ("devserver", "user"),
        ("tools", "non-root"),
        ("tools", "user"),
    }


@pytest.mark.parametrize(("profile", "name"), PODS)
def test_a_pod_has_no_token_and_no_variables_of_services(profile: str, name: str) -> None:
    pod = PODS[profile, name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_the_main_container_has_the_listed_capabilities_and_no_others() -> None:
    (main,) = PODS["baseline", "box/workload"]["containers"]
    assert capabilities(main, "drop") == {"ALL"}
    assert capabilities(main, "add") == set(CAPABILITIES)


def test_volumes_become_the_devs_by_their_group_and_that_once() -> None:
    assert PODS["restricted", "box/workload"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "fsGroup" not in PODS["baseline", "box/workload"]["securityContext"]
