"""The security contexts of our pods, by the Pod Security level that they must pass."""

from dataclasses import dataclass

from crds.flavor import SecurityProfile
from stacks.metadata import Manifest

# The uid and gid of the user dev, in every image.
DEV_ID = 1000

# The minimum that doas and an sshd started by root need. Images may rely on each of them.
CAPABILITIES = (
    "AUDIT_WRITE",  # sshd records logins
    "CHOWN",  # the start script gives the home to dev; package managers set owners
    "DAC_OVERRIDE",  # root reads and writes dev's files; package managers do so with files of other users
    "FOWNER",  # package managers set modes and times of other users' files
    "FSETID",  # package managers install setgid programs
    "KILL",  # sshd and doas end dev's processes
    "SETGID",  # sshd becomes dev
    "SETUID",  # sshd becomes dev, doas becomes root
    "SYS_CHROOT",  # sshd's privilege separation
)


@dataclass(frozen=True)
class Security:
    """The security contexts of a DevServer's pod.

    tools: for the init container with the tools. main: for containers with the user's image.
    has_root: whether the start script runs as root, and dev may become root.
    """

    has_root: bool
    pod: Manifest
    tools: Manifest
    main: Manifest


def security(profile: SecurityProfile) -> Security:
    """The security contexts with which a pod passes the Pod Security level of that name."""
    return _restricted() if profile == "restricted" else _baseline()


def _baseline() -> Security:
    return Security(
        has_root=True,
        pod={"seccompProfile": _seccomp()},
        # Copying a setuid program of root needs no capability: the container runs as root and root owns the volume.
        tools={"runAsUser": 0, **unprivileged_container()},
        # allowPrivilegeEscalation must not be false here, or doas could not become root.
        main={"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)}},
    )


def _restricted() -> Security:
    return Security(
        has_root=False,
        pod={
            **unprivileged_pod(DEV_ID),
            "runAsGroup": DEV_ID,
            # dev gets access to volumes by their group. It is set only once, because a home may hold very many files.
            "fsGroup": DEV_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
        },
        tools=unprivileged_container(),
        main=unprivileged_container(),
    )


def unprivileged_pod(user: int) -> Manifest:
    """Security context of a pod that needs no rights. With `unprivileged_container` it passes the level restricted."""
    return {"runAsNonRoot": True, "runAsUser": user, "seccompProfile": _seccomp()}


def unprivileged_container() -> Manifest:
    """Security context of a container without rights and without a way to get any."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _seccomp() -> Manifest:
    return {"type": "RuntimeDefault"}
