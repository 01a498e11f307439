"""Where the SSH Service is reached."""

from typing import Any

import pytest

from crds.devserver import DevServerStatus
from crds.times import parse_time
from reconciler.kinds.devserver.ssh.address import ssh_address
from stacks.devserver.program import DevServerChildren
from tests.builders import CREATED, child_object, kinds, owner, pod, resource

Object = dict[str, Any]
SSH = DevServerChildren.of(owner()).ssh


def service(type_: str, status: Object | None = None, **port: Any) -> Object:
    spec = {"type": type_, "ports": [{"name": "ssh", "port": 22, **port}]}
    return child_object(SSH, spec=spec, status=status or {})


def balanced(**entry: str) -> Object:
    return {"loadBalancer": {"ingress": [entry]}}


RUNNING = pod(status={"hostIP": "10.0.0.7"})
CASES: dict[str, tuple[Object | None, Object | None, tuple[str, int] | None]] = {
    "no Service": (None, RUNNING, None),
    "inside the cluster": (service("ClusterIP"), None, ("box-ssh.dev-ada.svc", 22)),
    "on the pod's node": (service("NodePort", nodePort=31022), RUNNING, ("10.0.0.7", 31022)),
    "on no node yet": (service("NodePort", nodePort=31022), pod(), None),
    "stopped": (service("NodePort", nodePort=31022), None, None),
    "no port of the node yet": (service("NodePort"), RUNNING, None),
    "no load balancer yet": (service("LoadBalancer", nodePort=31022), RUNNING, None),
    "a load balancer's address": (service("LoadBalancer", balanced(ip="192.0.2.1")), None, ("192.0.2.1", 22)),
    "a load balancer's name": (
        service("LoadBalancer", balanced(hostname="lb.example.com", ip="192.0.2.1")),
        None,
        ("lb.example.com", 22),
    ),
    "a Service without ports": (child_object(SSH, spec={"type": "NodePort"}), RUNNING, None),
}


@pytest.mark.parametrize(("made", "box", "where"), CASES.values(), ids=CASES.keys())
def test_ssh_address(made: Object | None, box: Object | None, where: tuple[str, int] | None) -> None:
    found = ssh_address(made, box)
    assert (None if found is None else (found["host"], found["port"])) == where
    read = DevServerStatus.model_validate({"sshAddress": found} if found else {}).ssh_address
    assert (read is None) is (where is None)


def test_a_service_that_is_not_ours_is_no_address() -> None:
    foreign = service("ClusterIP")
    foreign["metadata"]["labels"] = {}
    box = resource("DevServer")

    def fields(*seen: Object) -> Any:
        return kinds(box, *seen).devserver.conditions(box, None, None, parse_time(CREATED)).fields

    assert fields(foreign) == {"sshAddress": None}
    assert fields(service("ClusterIP"))["sshAddress"]["host"] == "box-ssh.dev-ada.svc"
