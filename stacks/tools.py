"""The tools image, which brings sshd, doas and a shell into every pod of ours."""

from stacks.metadata import Manifest

SSHD_PORT = 2222
TOOLS_PATH = "/opt/devserver"
TOOLS = "tools"
BUSYBOX = f"{TOOLS_PATH}/bin/busybox"
# Of the init container that every pod has.
TOOLS_REQUESTS = {"cpu": "10m", "memory": "16Mi"}
TOOLS_LIMITS = {"cpu": "1", "memory": "64Mi"}


def tools_container(tools_image: str, context: Manifest) -> Manifest:
    """Init container that copies sshd, doas and a shell into the volume at /opt/devserver.

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
    """Requests and limits of that container."""
    return {"requests": dict(TOOLS_REQUESTS), "limits": dict(TOOLS_LIMITS)}


def tools_volume() -> Manifest:
    """The volume that it fills."""
    return {"name": TOOLS, "emptyDir": {}}
