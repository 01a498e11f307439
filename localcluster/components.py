"""The cluster's components: their command lines, order and signs of readiness.

All run inside the cluster's namespaces and use their standard directories there (plan.py prepares them).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import INSIDE
from localcluster.settings import Settings

# Programs of the host's packages; the others are the toolchain's.
DEBIAN_PROGRAMS = ("etcd", "containerd")

Argv = tuple[str, ...]
Locate = Callable[[str], Path]


@dataclass(frozen=True)
class Component:
    """One program to keep running, or with `once` to run until it succeeds.

    `after` names components that must be ready before it starts. `ready` says when it is ready itself:
    tcp://HOST:PORT and unix://PATH accept a connection, http:// and https:// URLs answer with 200.
    """

    name: str
    argv: Argv
    after: tuple[str, ...] = ()
    ready: str = ""
    once: bool = False


def components(settings: Settings, locate: Locate) -> list[Component]:
    """The cluster's components in the order of their start."""
    return [
        Component("etcd", (str(locate("etcd")), *_etcd()), ready="http://127.0.0.1:2379/health"),
        Component(
            "containerd",
            (str(locate("containerd")), "--config", str(INSIDE.config / "containerd.toml")),
            ready="unix:///run/containerd/containerd.sock",
        ),
        Component(
            "kube-apiserver",
            (str(locate("kube-apiserver")), *_apiserver(settings)),
            after=("etcd",),
            ready="https://127.0.0.1:6443/readyz",
        ),
        Component(
            "kubelet",
            (str(locate("kubelet")), *_kubelet(settings)),
            after=("containerd", "kube-apiserver"),
            ready="http://127.0.0.1:10248/healthz",
        ),
        Component(
            "addons",
            (str(locate("kubectl")), *_addons()),
            after=("kube-apiserver",),
            once=True,
        ),
        Component(
            "kube-controller-manager",
            (str(locate("kube-controller-manager")), *_controller_manager(settings)),
            after=("kube-apiserver",),
            ready="tcp://127.0.0.1:10257",
        ),
        Component(
            "kube-scheduler",
            (str(locate("kube-scheduler")), *_scheduler()),
            after=("kube-apiserver",),
            ready="tcp://127.0.0.1:10259",
        ),
        Component(
            "kube-proxy",
            (str(locate("kube-proxy")), *_proxy(settings)),
            after=("kube-apiserver",),
            ready="http://127.0.0.1:10256/healthz",
        ),
        Component(
            "coredns",
            (str(locate("coredns")), "-conf", str(INSIDE.config / "Corefile")),
            after=("addons",),
            ready="http://127.0.0.1:8181/ready",
        ),
    ]


def _pki(name: str) -> str:
    return str(INSIDE.pki / name)


def _etcd() -> Argv:
    client_url = "http://127.0.0.1:2379"
    return (
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # The cluster is a throw-away: faster writes are worth more than surviving a power cut.
        "--unsafe-no-fsync",
    )


def _apiserver(settings: Settings) -> Argv:
    return (
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={settings.node_ip}",
        f"--service-cluster-ip-range={settings.service_cidr}",
        f"--tls-cert-file={_pki('apiserver.crt')}",
        f"--tls-private-key-file={_pki('apiserver.key')}",
        f"--client-ca-file={_pki('ca.crt')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={_pki('service-accounts.pub')}",
        f"--service-account-signing-key-file={_pki('service-accounts.key')}",
        f"--kubelet-client-certificate={_pki('apiserver-kubelet-client.crt')}",
        f"--kubelet-client-key={_pki('apiserver-kubelet-client.key')}",
        f"--kubelet-certificate-authority={_pki('ca.crt')}",
        # By name it would ask the host's DNS.
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
        "--allow-privileged=true",
        "--profiling=false",
    )


def _controller_manager(settings: Settings) -> Argv:
    return (
        f"--kubeconfig={_pki('kube-controller-manager.kubeconfig')}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={_pki('service-accounts.key')}",
        f"--root-ca-file={_pki('ca.crt')}",
        f"--cluster-signing-cert-file={_pki('ca.crt')}",
        f"--cluster-signing-key-file={_pki('ca.key')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={settings.pod_cidr}",
        f"--node-cidr-mask-size={settings.pod_cidr.prefixlen}",
        f"--service-cluster-ip-range={settings.service_cidr}",
        "--enable-hostpath-provisioner=true",
        "--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
        "--controllers=*,-bootstrap-signer-controller,-token-cleaner-controller",
        # The defaults protect a server that many share.
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--profiling=false",
    )


def _scheduler() -> Argv:
    kubeconfig = _pki("kube-scheduler.kubeconfig")
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--profiling=false",
    )


def _kubelet(settings: Settings) -> Argv:
    return (
        f"--config={INSIDE.config / 'kubelet.yaml'}",
        f"--kubeconfig={_pki('kubelet.kubeconfig')}",
        "--cert-dir=/var/lib/kubelet/pki",
        f"--hostname-override={settings.name}",
        f"--node-ip={settings.node_ip}",
    )


def _proxy(settings: Settings) -> Argv:
    return (
        f"--kubeconfig={_pki('kube-proxy.kubeconfig')}",
        f"--hostname-override={settings.name}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={settings.pod_cidr}",
        "--oom-score-adj=0",
        # Zero leaves the kernel's settings alone: they are the host's.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    )


def _addons() -> Argv:
    return (
        f"--kubeconfig={_pki('admin.kubeconfig')}",
        "apply",
        "--server-side",
        "--force-conflicts",
        "--validate=false",
        f"--filename={INSIDE.config / 'addons.yaml'}",
    )
