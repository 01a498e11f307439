"""The address of a DevServer's SSH Service, read from the Service and the pod. Pure."""

from typing import Any

from reconciler.kube.objects import Object


def ssh_address(service: Object | None, pod: Object | None) -> dict[str, Any] | None:
    """status.sshAddress, for an SSH client; None while it is unknown.

    ClusterIP: the Service's name in the cluster. NodePort: the pod's node; None while the pod does not run.
    LoadBalancer: the address that its controller has written into the Service's status.
    """
    if service is None:
        return None
    meta, spec = service["metadata"], service["spec"]
    type_ = spec.get("type", "ClusterIP")
    service_port: Object = next(iter(spec.get("ports") or ()), {})
    port = service_port.get("port")
    match type_:
        case "NodePort":
            host, port = (pod or {}).get("status", {}).get("hostIP"), service_port.get("nodePort")
        case "LoadBalancer":
            entries = service.get("status", {}).get("loadBalancer", {}).get("ingress")
            entry: Object = next(iter(entries or ()), {})
            host = entry.get("hostname") or entry.get("ip")
        case _:
            host = f"{meta['name']}.{meta['namespace']}.svc"
    return {"type": type_, "host": host, "port": port} if host and port else None
