"""What a cluster could leave behind on its host, or change there."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

from localcluster import namespaces
from localcluster.paths import Paths, clusters_dir
from tests.patience import PATIENCE_S

Snapshot = dict[str, list[str]]

# Counters of the kernel, which change by themselves.
_RESTLESS = re.compile(
    r"fs/(aio-nr|dentry-state|file-nr|inode-nr|inode-state|quota/.*)|kernel/(ns_last_pid|pty/nr|random/.*)"
    r"|net/netfilter/nf_conntrack_count|.*/(gc_stale_time|stat)"
)
_NAMES_OF_CLUSTERS = re.compile(r"localcluster-([a-z0-9-]+)|([a-z0-9-]+)-veth\b")
_DIRECTORIES = ("/etc", "/opt", "/run", "/run/lock", "/run/netns", "/var", "/var/lib", "/var/log")


def host_snapshot(cluster: str) -> Snapshot:
    """The host's network, rules, kernel settings, mounts, cgroups and files, as sorted lines.

    Other clusters than `cluster` do not count: they may come and go meanwhile.
    """
    found: dict[str, Iterable[str]] = {
        "links": _output("ip", "-o", "link"),
        "addresses": [re.sub(r"\S*_lft \S+", "", line) for line in _output("ip", "-o", "address")],
        "routes": _output("ip", "route", "show", "table", "all"),
        "policies": _output("ip", "rule"),
        "iptables": _rules("iptables-save"),
        "ip6tables": _rules("ip6tables-save"),
        "sysctls": _sysctls(),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "cgroups": _cgroups(),
        "files": _files(cluster),
    }
    return {
        section: sorted(line for line in lines if not _is_of_another(line, cluster))
        for section, lines in found.items()
    }


def differences(before: Snapshot, after: Snapshot) -> str:
    """One line for each thing that came (+) or went (-)."""
    lines = []
    for section, old in before.items():
        lines += [f"- {section}: {line}" for line in old if line not in after[section]]
        lines += [f"+ {section}: {line}" for line in after[section] if line not in old]
    return "\n".join(lines)


def processes_of(cluster: str) -> list[psutil.Process]:
    """The processes in a cluster's namespaces, and the one that waits for them."""
    supervisor = namespaces.supervisor(Paths.of(cluster))
    if supervisor is None:
        return []
    parent = supervisor.parent()
    return [*([parent] if parent else []), supervisor, *supervisor.children(recursive=True)]


def still_there(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that do not go away."""
    # A dead one stays as a zombie until the host's first process collects it, in its own time.
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    return alive


def _output(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def _rules(program: str) -> list[str]:
    return [re.sub(r"\[\d+:\d+\]", "", line) for line in _output(program) if not line.startswith("#")]


def _sysctls() -> list[str]:
    settings = []
    root = Path("/proc/sys")
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_file() and not _RESTLESS.fullmatch(name):
            try:
                settings.append(f"{name} = {path.read_text(errors='replace').strip()}")
            except OSError:
                # Some can only be written, or belong to hardware that is not there.
                continue
    return settings


def _cgroups() -> list[str]:
    """The uppermost cgroups of each hierarchy; those below come and go with the work of others."""
    root = Path("/sys/fs/cgroup")
    return [str(path) for pattern in ("*/", "*/*/") for path in root.glob(pattern)]


def _files(cluster: str) -> list[str]:
    names = [
        str(path)
        for directory in _DIRECTORIES
        if Path(directory).exists()
        for path in Path(directory).iterdir()
    ]
    names += [str(path) for path in clusters_dir().glob(f"*{cluster}*")]
    return [*names, *(str(path) for path in Path("/tmp").glob("hostpath*"))]


def _is_of_another(line: str, cluster: str) -> bool:
    return any(name not in ("", cluster) for names in _NAMES_OF_CLUSTERS.findall(line) for name in names)
