"""The volumes of a DevServer's pod, and where its containers mount them."""

from collections.abc import Iterable

from crds import DevServerFlavorSpec, DevServerSpec
from crds.home import HOME_PATH
from crds.volumes import VolumeMount
from stacks.metadata import Manifest, present
from stacks.tools import TOOLS, TOOLS_PATH, tools_volume

CONFIG_PATH = "/etc/devserver"
HOST_KEYS_PATH = "/etc/devserver-hostkeys"
CONFIG, HOST_KEYS = "sshd", "host-keys"

# In a pod without root, nobody can write to the image's /etc. So an init container makes these files in the tools
# volume, and the pod mounts each of them. The start script uses the same names.
ETC_FILES = ("group", "motd", "passwd", "profile.d/00-devserver.sh", "shadow")
# In such a pod nobody can create these directories either, or give the home to dev.
_SCRATCH = {"home": HOME_PATH, "tmp": "/tmp"}

# A volume and its mount in the main container. A volume with two mounts makes two pairs.
Mounted = tuple[Manifest, Manifest]


def own_volumes(*, config_map: str, host_keys_secret: str, shm_size: str | None) -> list[Mounted]:
    """The volumes that every DevServer has."""
    host_keys = {"secretName": host_keys_secret, "defaultMode": 0o400}
    found = [
        _mounted(tools_volume(), TOOLS_PATH),
        _mounted({"name": CONFIG, "configMap": {"name": config_map}}, CONFIG_PATH),
        _mounted({"name": HOST_KEYS, "secret": host_keys}, HOST_KEYS_PATH),
    ]
    if shm_size is not None:
        memory = {"medium": "Memory", "sizeLimit": shm_size}
        found.append(_mounted({"name": "shm", "emptyDir": memory}, "/dev/shm"))
    return found


def claimed_volumes(spec: DevServerSpec, flavor: DevServerFlavorSpec, home_claim: str) -> list[Mounted]:
    """The PVCs: the home, if the spec has one, and the volumes of the flavor and the DevServer."""
    found, flavors = [], flavor.volumes
    if spec.home is not None:
        found.append(_mounted(_claim("home", home_claim, read_only=False), HOME_PATH))
        # The home wins over a volume that the flavor mounts there.
        flavors = [mount for mount in flavors if mount.mount_path != HOME_PATH]
    by_claim: dict[str, list[VolumeMount]] = {}
    for mount in merged_volumes(flavors, spec.volumes):
        by_claim.setdefault(mount.claim_name, []).append(mount)
    # One volume for each PVC, however often it is mounted. With two volumes of a PVC, the kubelet never starts the pod.
    for index, (claim, mounts) in enumerate(by_claim.items()):
        volume = _claim(f"volume-{index}", claim, read_only=all(mount.read_only for mount in mounts))
        found += [_mounted(volume, mount.mount_path, mount.read_only) for mount in mounts]
    return found


def merged_volumes(flavor: list[VolumeMount], devserver: list[VolumeMount]) -> tuple[VolumeMount, ...]:
    """The volumes of the flavor and the DevServer. If both use a path, the DevServer's volume wins."""
    by_path = {mount.mount_path: mount for mount in (*flavor, *devserver)}
    return tuple(by_path.values())


def scratch_volumes(claimed: Iterable[Mounted]) -> list[Mounted]:
    """For a pod without root: a home and a /tmp that end with the pod, unless a PVC is mounted there."""
    taken = {mount["mountPath"] for _, mount in claimed}
    return [
        _mounted({"name": name, "emptyDir": {}}, path) for name, path in _SCRATCH.items() if path not in taken
    ]


def etc_mounts() -> list[Manifest]:
    """For a pod without root: mounts of ETC_FILES over the image's own files."""
    return [{"name": TOOLS, "mountPath": f"/etc/{file}", "subPath": f"etc/{file}"} for file in ETC_FILES]


def _mounted(volume: Manifest, path: str, read_only: bool | None = None) -> Mounted:
    return volume, present(name=volume["name"], mountPath=path, readOnly=read_only)


def _claim(name: str, claim: str, read_only: bool) -> Manifest:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": read_only}}
