"""What the containers of our pods may do, by the Pod Security level that they must pass."""

from dataclasses import dataclass

from crds.flavor import SecurityProfile
from stacks.metadata import Manifest

# Of the user dev, in every image.
DEV_ID = 1000

# The least that a root-started sshd and doas need; each one is a right that an image may rely on.
CAPABILITIES = (
    "AUDIT_WRITE",  # sshd records logins
    "CHOWN",  # the start script gives the home to dev, package managers set owners
    "DAC_OVERRIDE",  # root reads and writes files of dev, package managers those of others
    "FOWNER",  # package managers set modes and times of files of others
    "FSETID",  # package managers install setgid programs
    "KILL",  # sshd and doas end processes of dev
    "SETGID",  # sshd becomes dev
    "SETUID",  # sshd becomes dev, doas becomes root
    "SYS_CHROOT",  # sshd's privilege separation
)


@dataclass(frozen=True)
class Security:
    """The security contexts of a DevServer's pod.

    tools: of the init container that brings the tools; main: of what runs the user's image.
    has_root: whether the start script is root, and dev may become it.
    """

    has_root: bool
    pod: Manifest
    tools: Manifest
    main: Manifest


def security(profile: SecurityProfile) -> Security:
    """The security contexts by which a pod passes the Pod Security level of that name."""
    return _restricted() if profile == "restricted" else _baseline()


def _baseline() -> Security:
    return Security(
        has_root=True,
        pod={"seccompProfile": _seccomp()},
        # It needs no right to copy a setuid program of root's: it is root, and so is the volume.
        tools={"runAsUser": 0, **unprivileged_container()},
        # No allowPrivilegeEscalation here: doas would not become root.
        main={"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)}},
    )


def _restricted() -> Security:
    return Security(
        has_root=False,
        pod={
            "runAsNonRoot": True,
            "runAsUser": DEV_ID,
            "runAsGroup": DEV_ID,
            # Volumes are made dev's by their group, and that once: a home may hold a great many files.
            "fsGroup": DEV_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": _seccomp(),
        },
        tools=unprivileged_container(),
        main=unprivileged_container(),
    )


def unprivileged_pod(user: int) -> Manifest:
    """For a pod of ours that needs nothing: with `unprivileged_container` it passes the level restricted."""
    return {"runAsNonRoot": True, "runAsUser": user, "seccompProfile": _seccomp()}


def unprivileged_container() -> Manifest:
    """No rights, and no way to more."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _seccomp() -> Manifest:
    return {"type": "RuntimeDefault"}
