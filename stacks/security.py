"""What the containers of our pods may do, by the Pod Security level that they must pass."""

from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    PodSecurityContextArgs,
    SeccompProfileArgs,
    SecurityContextArgs,
)

from crds.flavor import SecurityProfile

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
    pod: PodSecurityContextArgs
    tools: SecurityContextArgs
    main: SecurityContextArgs


def security(profile: SecurityProfile) -> Security:
    """The security contexts by which a pod passes the Pod Security level of that name."""
    return _restricted() if profile == "restricted" else _baseline()


def _baseline() -> Security:
    return Security(
        has_root=True,
        pod=PodSecurityContextArgs(seccomp_profile=_seccomp()),
        # It needs no right to copy a setuid program of root's: it is root, and so is the volume.
        tools=SecurityContextArgs(
            run_as_user=0, allow_privilege_escalation=False, capabilities=CapabilitiesArgs(drop=["ALL"])
        ),
        # No allowPrivilegeEscalation here: doas would not become root.
        main=SecurityContextArgs(
            run_as_user=0, capabilities=CapabilitiesArgs(drop=["ALL"], add=list(CAPABILITIES))
        ),
    )


def _restricted() -> Security:
    return Security(
        has_root=False,
        pod=PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=DEV_ID,
            run_as_group=DEV_ID,
            # Volumes are made dev's by their group, and that once: a home may hold a great many files.
            fs_group=DEV_ID,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=_seccomp(),
        ),
        tools=unprivileged_container(),
        main=unprivileged_container(),
    )


def unprivileged_pod(user: int) -> PodSecurityContextArgs:
    """For a pod of ours that needs nothing: with `unprivileged_container` it passes the level restricted."""
    return PodSecurityContextArgs(run_as_non_root=True, run_as_user=user, seccomp_profile=_seccomp())


def unprivileged_container() -> SecurityContextArgs:
    """No rights, and no way to more."""
    return SecurityContextArgs(allow_privilege_escalation=False, capabilities=CapabilitiesArgs(drop=["ALL"]))


def _seccomp() -> SeccompProfileArgs:
    return SeccompProfileArgs(type="RuntimeDefault")
