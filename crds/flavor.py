"""DevServerFlavor: the t-shirt sizes."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import CommonStatus, CustomResource, Model, Spec
from crds.fields import DnsSubdomain, ImageName, LabelKey, LabelValue, NodeSelector
from crds.quantities import Quantity, ResourceList, parse_quantity
from crds.rules import Rule
from crds.volumes import Volumes


def _requests_within_limits(resources: "Resources") -> bool:
    return all(
        parse_quantity(resources.requests[name]) <= parse_quantity(limit)
        for name, limit in resources.limits.items()
        if name in resources.requests
    )


class Resources(Model):
    """CPU, memory and other resources of the main container."""

    requests: Annotated[
        ResourceList,
        Field(
            description="What is reserved on the node, by resource, for example cpu: 500m, memory: 1Gi or "
            "nvidia.com/gpu: 1. Without a request, the limit is taken."
        ),
    ] = {}
    limits: Annotated[
        ResourceList,
        Field(
            description="What the container may use at most, by resource. Above its CPU limit it is slowed down, above "
            "its memory limit it is killed."
        ),
    ] = {}


class Toleration(Model):
    """A taint that pods of this flavor tolerate (core/v1 Toleration)."""

    key: (
        Annotated[
            LabelKey,
            Field(
                description="Key of the taint. Without it, operator must be Exists, and every key matches."
            ),
        ]
        | None
    ) = None
    operator: Annotated[
        Literal["Exists", "Equal"],
        Field(
            description="How the taint is matched. Equal (the default): its value must be the one given here. Exists: "
            "any value matches."
        ),
    ] = "Equal"
    value: (
        Annotated[
            LabelValue, Field(description="Value of the taint. It must be empty if operator is Exists.")
        ]
        | None
    ) = None
    effect: (
        Annotated[
            Literal["NoSchedule", "PreferNoSchedule", "NoExecute"],
            Field(description="Effect of the taint. Without it, every effect matches."),
        ]
        | None
    ) = None
    toleration_seconds: (
        Annotated[
            int,
            Field(
                ge=0,
                le=31536000,
                description="How long a pod stays on a node that gets the taint, in seconds. Without it, the pod "
                "stays. Only for the effect NoExecute.",
            ),
        ]
        | None
    ) = None


# What Kubernetes itself would refuse later, in the pod.
_TOLERATION_RULES = (
    Rule(
        "self.operator != 'Exists' || !has(self.value) || self.value == ''",
        "value must be empty if operator is Exists",
        lambda toleration: toleration.operator != "Exists" or not toleration.value,
    ),
    Rule(
        "self.operator == 'Exists' || has(self.key)",
        "operator must be Exists if there is no key",
        lambda toleration: toleration.operator == "Exists" or toleration.key is not None,
    ),
    Rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "effect must be NoExecute if tolerationSeconds is set",
        lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
    ),
)


class Prewarm(Model):
    """What makes the first start of a DevServer of this flavor quick."""

    images: Annotated[
        list[ImageName],
        Field(
            max_length=16,
            description="Images that are pulled in advance on every node that the flavor selects.",
        ),
    ] = []
    replicas: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Number of placeholder pods, from 0 (the default) to 100. Each reserves the room of one "
            "DevServer and is removed at once when a DevServer needs that room.",
        ),
    ] = 0


SecurityProfile = Literal["baseline", "restricted"]


class DevServerFlavorSpec(Spec):
    """Size, placement and rights of the DevServers that use this flavor."""

    default: Annotated[
        bool,
        Field(
            description="true makes this the flavor of DevServers that name none. If several flavors are marked so, "
            "the oldest one is used. The default is false."
        ),
    ] = False
    resources: Annotated[
        Resources,
        Rule(
            "!has(self.limits) || !has(self.requests) || self.limits.all(name, !(name in self.requests) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "requests must not exceed limits",
            _requests_within_limits,
        ),
    ] = Resources()
    node_selector: Annotated[
        NodeSelector,
        Field(
            description="Labels that a node must have to run pods of this flavor, for example kubernetes.io/arch: "
            "amd64. Empty: any node."
        ),
    ] = {}
    tolerations: Annotated[
        list[Annotated[Toleration, *_TOLERATION_RULES]],
        Field(max_length=16, description="Taints of nodes that do not keep pods of this flavor away."),
    ] = []
    volumes: Annotated[
        Volumes,
        Field(
            description="PersistentVolumeClaims that every DevServer of this flavor mounts. Each must exist in the "
            "DevServer's own namespace. A volume or home of the DevServer wins at the same path."
        ),
    ] = []
    runtime_class_name: (
        Annotated[
            DnsSubdomain,
            Field(
                description="RuntimeClass of the pods, for example gvisor. Without it, the nodes' default runtime is "
                "used."
            ),
        ]
        | None
    ) = None
    shm_size: (
        Annotated[
            Quantity,
            Field(
                description="Size of /dev/shm, for example 1Gi. What is used of it counts as the container's memory. "
                "Without it, the container runtime decides (usually 64 MiB)."
            ),
        ]
        | None
    ) = None
    security_profile: Annotated[
        SecurityProfile,
        Field(
            description="Pod Security level that the pods of this flavor meet. baseline (the default): the user dev "
            "can become root by doas or sudo. restricted: there is no root at all, not even at the start."
        ),
    ] = "baseline"
    prewarm: Prewarm = Prewarm()


class DevServerFlavorStatus(CommonStatus):
    """The state of the flavor, as the operator last saw it."""

    schedulable: (
        Annotated[
            Literal["Yes", "No", "AUTOSCALED", "Unknown"],
            Field(
                description="Whether a pod of this flavor finds room now. AUTOSCALED: no node has room now, but "
                "Karpenter may add one. Unknown: a quantity cannot be read. The condition Schedulable says why."
            ),
        ]
        | None
    ) = None
    fitting_nodes: (
        Annotated[
            int, Field(ge=0, description="Number of nodes on which a pod of this flavor finds room now.")
        ]
        | None
    ) = None
    dev_servers: (
        Annotated[int, Field(ge=0, description="Number of DevServers that use this flavor.")] | None
    ) = None
    pending_restarts: (
        Annotated[
            int,
            Field(
                ge=0,
                description="Number of these DevServers whose pods must be restarted before they are as the flavor "
                "says.",
            ),
        ]
        | None
    ) = None


class DevServerFlavor(CustomResource):
    """A size of development machines: resources, placement and security profile."""

    spec: DevServerFlavorSpec
    status: DevServerFlavorStatus = DevServerFlavorStatus()
