"""The components' configuration files, rendered from the templates in files/."""

from importlib import resources
from pathlib import Path
from string import Template

from localcluster.settings import Settings

# What the kubelet wants of the kernel. Each value is bound over its file in the cluster's /proc/sys:
# the kubelet is content and the host keeps its own.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
_FILES = {
    "addons.yaml": "addons.yaml",
    "cni.conflist": "cni/pods.conflist",
    "containerd.toml": "containerd.toml",
    "Corefile": "Corefile",
    "kubelet.yaml": "kubelet.yaml",
    "resolv.conf": "resolv.conf",
}
# Network, broadcast and the bridge's own address; and some that pods hold which are just ending.
_ADDRESSES_NOT_FOR_PODS = 6


def render(settings: Settings) -> dict[str, str]:
    """The text of each configuration file by its path below the configuration directory."""
    values = {
        "cgroup": settings.cgroup,
        "dns_ip": settings.dns_ip,
        "max_pods": settings.pod_cidr.num_addresses - _ADDRESSES_NOT_FOR_PODS,
        "node_ip": settings.node_ip,
        "node_subnet": settings.node_subnet,
        "pod_cidr": settings.pod_cidr,
        "service_cidr": settings.service_cidr,
    }
    templates = resources.files("localcluster") / "files"
    rendered = {
        target: Template((templates / source).read_text()).substitute(values)
        for source, target in _FILES.items()
    }
    return rendered | {f"sysctl/{path}": f"{value}\n" for path, value in KERNEL_SETTINGS.items()}


def write_config(directory: Path, settings: Settings) -> None:
    """Write all configuration files below `directory`, over those of an earlier start."""
    for path, text in render(settings).items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
