"""What the demo shows."""

import time
from datetime import UTC, datetime
from typing import Any

from crds.times import parse_time
from demo import console, manifests, stack
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.manifests import RECONCILER, SYSTEM_NAMESPACE
from demo.reconciler import TOKEN_LIFE, Reconciler
from demo.ssh import Login, port_forward
from demo.target import Target
from stacks.metadata import NAME_LABEL

SHORT_LIVED = "short-lived"
LOCAL_PORT = 2222
_READY_S = 300
_GONE_S = 240
_CHILDREN = "statefulset,service,configmap,secret,persistentvolumeclaim,pod"


def install(kubectl: Kubectl) -> None:
    """Put definitions, namespace, roles and admission policy into the cluster. Raises DemoError."""
    deployment = kubectl.find("deployment", RECONCILER, SYSTEM_NAMESPACE)
    if deployment is not None and deployment["spec"].get("replicas", 1) > 0:
        raise DemoError(
            "the cluster runs a reconciler already, and two must not work at the same time. To have the demo's: "
            f"kubectl -n {SYSTEM_NAMESPACE} scale deployment {RECONCILER} --replicas=0"
        )
    with console.step("definitions, roles, admission policy"):
        for manifest in manifests.INSTALLATION:
            # Server-side, since a copy of a large definition does not fit into an annotation.
            kubectl("apply", "--server-side", "--force-conflicts", f"--filename={manifest}")
        kubectl("wait", "--for=condition=Established", f"--filename={manifests.DEFINITIONS}")


def from_apply_to_ssh(kubectl: Kubectl, target: Target) -> Login:
    """A DevServer is made and logged into. Returns how to log in again."""
    console.heading("A DevServer, from kubectl apply to SSH")
    name, namespace = _example_name()
    _remove(kubectl, name, namespace)
    login = Login(target.directory / "ssh", name)
    public_key = login.make_key()
    console.line(f"spec.ssh.publicKey: {public_key[:40]}... (a key made for this demo)")
    kubectl.shown("apply", "-f", manifests.FLAVOR, "-f", manifests.USER)

    began = time.monotonic()
    kubectl.apply(manifests.devserver(public_key, target.image))
    status = _wait_until_ready(kubectl, name, namespace)
    ready_s = time.monotonic() - began
    login.trust(status, LOCAL_PORT)
    with port_forward(kubectl, namespace, f"svc/{name}-ssh", status["ssh"]["port"]) as port:
        login.run(port, "true")
        login_s = time.monotonic() - began
        console.line(f"kubectl apply to Ready {ready_s:.1f} s, to the first SSH login {login_s:.1f} s")
        kubectl.shown("get", "dvs", "-n", namespace)
        login.shown(port, "whoami", "dev")
        login.shown(port, "id -u", "1000")
        login.shown(port, "doas id -u", "0")
    return login


def its_stack(kubectl: Kubectl) -> None:
    """The Pulumi stack of the DevServer, from its state in the cluster."""
    name = f"devserver-{_found(kubectl, *_example_name())['metadata']['uid']}"
    console.heading(f"Its Pulumi stack {name}")
    console.line(f"$ pulumi stack      (of the state in the Secret {SYSTEM_NAMESPACE}/state-{name})")
    console.block(stack.resources(kubectl, SYSTEM_NAMESPACE, name))


def expiry(kubectl: Kubectl, target: Target, login: Login) -> None:
    """A DevServer with a time to live of a minute ends, with all that belongs to it."""
    console.heading("A DevServer with timeToLive: 1m")
    _, namespace = _example_name()
    _remove(kubectl, SHORT_LIVED, namespace)
    kubectl.apply(manifests.devserver(login.public_key, target.image, SHORT_LIVED, time_to_live="1m"))
    status = _wait_until_ready(kubectl, SHORT_LIVED, namespace)
    uid = _found(kubectl, SHORT_LIVED, namespace)["metadata"]["uid"]
    console.line(
        f"it has {len(_rests(kubectl, namespace, uid))} objects and expires at {status['expiresAt']}"
    )
    ends = parse_time(status["expiresAt"])

    def progress() -> str:
        left_s = (ends - datetime.now(UTC)).total_seconds()
        return f"expires in {left_s:.0f} s" if left_s > 0 else "its time is up, it is being destroyed"

    gone = ("--for=delete", f"--namespace={namespace}", f"--timeout={_GONE_S}s")
    kubectl.wait(*gone, f"devserver/{SHORT_LIVED}", progress=progress, every_s=10)
    kubectl.wait(*gone, _CHILDREN, f"--selector={NAME_LABEL}={SHORT_LIVED}", progress=progress, every_s=10)
    late_s = (datetime.now(UTC) - ends).total_seconds()
    if rests := _rests(kubectl, namespace, uid):
        raise DemoError(f"it has expired and left behind: {', '.join(rests)}")
    console.line(f"{late_s:.1f} s after its time: it, its children, its pod and its state Secret are gone")


def how_to_go_on(target: Target, reconciler: Reconciler, login: Login) -> None:
    """What is left running, how to play with it and how to end it."""
    name, namespace = _example_name()
    process = reconciler.find()
    if process is None:
        raise DemoError("the reconciler has ended")
    hours = TOKEN_LIFE.total_seconds() / 3600
    console.heading("Yours to play with")
    console.line(f"Still running: {target.title}, the DevServer {namespace}/{name} and the reconciler,")
    console.line(f"process {process.pid} (its token lasts {hours:.0f} hours). Its log: {reconciler.log}")
    variable = "" if target.is_local else " CLUSTER=current"
    _commands(
        f'eval "$(make -s env{variable})"',
        "pulumi preview",
        "kubectl get dvs,dvsf,dvsu --all-namespaces",
        f"kubectl -n {namespace} port-forward svc/{name}-ssh {LOCAL_PORT}:22 &",
        f"ssh -F {login.config} {name}",
    )
    console.line("To end it all:")
    if target.is_local:
        _commands("make down")
    else:
        _commands(
            f"kubectl delete {_files(manifests.EXAMPLES)}",
            f"make down{variable}",
            f"kubectl delete {_files(manifests.INSTALLATION)}",
        )


def _commands(*commands: str) -> None:
    console.line("")
    console.block("\n".join(commands))
    console.line("")


def _files(paths: tuple[str, ...]) -> str:
    return " ".join(f"-f {path}" for path in paths)


def _example_name() -> tuple[str, str]:
    """Name and namespace of the example."""
    metadata = manifests.example()["metadata"]
    return metadata["name"], metadata["namespace"]


def _remove(kubectl: Kubectl, name: str, namespace: str) -> None:
    """Remove what an earlier demo left."""
    if kubectl.find("devserver", name, namespace) is not None:
        with console.step(f"removing the DevServer {name} of an earlier demo"):
            kubectl("delete", "devserver", name, f"--namespace={namespace}", "--timeout=50s")


def _wait_until_ready(kubectl: Kubectl, name: str, namespace: str) -> dict[str, Any]:
    """Wait for the condition; returns the status."""
    console.line(f"$ kubectl wait --for=condition=Ready -n {namespace} dvs/{name}")
    wait = ("--for=condition=Ready", f"dvs/{name}", f"--namespace={namespace}", f"--timeout={_READY_S}s")
    kubectl.wait(*wait, progress=lambda: _why_not_ready(_found(kubectl, name, namespace)))
    status: dict[str, Any] = _found(kubectl, name, namespace)["status"]
    return status


def _found(kubectl: Kubectl, name: str, namespace: str) -> dict[str, Any]:
    found = kubectl.find("devserver", name, namespace)
    if found is None:
        raise DemoError(f"the DevServer {namespace}/{name} has vanished")
    return found


def _why_not_ready(devserver: dict[str, Any]) -> str:
    conditions = devserver.get("status", {}).get("conditions", [])
    ready = next((condition for condition in conditions if condition["type"] == "Ready"), None)
    return f"{ready['reason']}: {ready['message']}" if ready else "the reconciler has not seen it yet"


def _rests(kubectl: Kubectl, namespace: str, uid: str) -> list[str]:
    """What there is of the short-lived DevServer beside itself: its children, its pod, its state."""
    labelled = ("get", _CHILDREN, f"--selector={NAME_LABEL}={SHORT_LIVED}", "--output=name")
    state = ("get", "secret", f"state-devserver-{uid}", "--ignore-not-found", "--output=name")
    return [
        *kubectl(*labelled, f"--namespace={namespace}").split(),
        *kubectl(*state, f"--namespace={SYSTEM_NAMESPACE}").split(),
    ]
