"""The tools image. It brings sshd, doas and a shell into each of our pods."""

from stacks.metadata import Manifest

SSHD_PORT = 2222
TOOLS_PATH = "/opt/devserver"
TOOLS = "tools"
BUSYBOX = f"{TOOLS_PATH}/bin/busybox"
# Resources of the init container `tools`.
TOOLS_REQUESTS = {"cpu": "10m", "memory": "16Mi"}
TOOLS_LIMITS = {"cpu": "1", "memory": "64Mi"}


def tools_container(tools_image: str, context: Manifest) -> Manifest:
    """Init container that copies sshd, doas and a shell into the tools volume.

    context: its securityContext.
    """
    target = "/target"
    return {
        "name": "tools",
        "image": tools_image,
        "command": [BUSYBOX, "sh", f"{TOOLS_PATH}/install.sh", target],
        "volumeMounts": [{"name": TOOLS, "mountPath": target}],
        "resources": tools_resources(),
        "securityContext": context,
    }


def tools_resources() -> Manifest:
    """Requests and limits of the init container."""
    return {"requests": dict(TOOLS_REQUESTS), "limits": dict(TOOLS_LIMITS)}


def tools_volume() -> Manifest:
    """The volume that the init container fills; pods mount it at /opt/devserver."""
    return {"name": TOOLS, "emptyDir": {}}
