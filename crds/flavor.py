"""DevServerFlavor: the t-shirt sizes."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import (
    CommonStatus,
    CustomResource,
    DnsSubdomain,
    ImageName,
    LabelKey,
    LabelValue,
    Model,
    NodeSelector,
    Quantity,
    ResourceList,
    Spec,
    Volumes,
    parse_quantity,
)
from crds.rules import Rule


def _requests_within_limits(resources: "Resources") -> bool:
    return all(
        parse_quantity(resources.requests[name]) <= parse_quantity(limit)
        for name, limit in resources.limits.items()
        if name in resources.requests
    )


class Resources(Model):
    """Requests and limits of the main container."""

    requests: ResourceList = {}
    limits: ResourceList = {}


class Toleration(Model):
    """A taint that pods of this flavor tolerate (core/v1 Toleration)."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=31536000)] | None = None


# What Kubernetes itself would refuse later, in the pod.
_TOLERATION_RULES = (
    Rule(
        "self.operator != 'Exists' || !has(self.value) || self.value == ''",
        "value must be empty where operator is Exists",
        lambda toleration: toleration.operator != "Exists" or not toleration.value,
    ),
    Rule(
        "self.operator == 'Exists' || has(self.key)",
        "operator must be Exists where there is no key: it tolerates every taint",
        lambda toleration: toleration.operator == "Exists" or toleration.key is not None,
    ),
    Rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "effect must be NoExecute where tolerationSeconds is set",
        lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
    ),
)


class Prewarm(Model):
    """What keeps the first start of this flavor quick."""

    images: Annotated[
        list[ImageName], Field(max_length=16, description="Pulled on every node that the flavor selects.")
    ] = []
    replicas: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Placeholder pods of this size, which hold room and give way to DevServers at once.",
        ),
    ] = 0


SecurityProfile = Literal["baseline", "restricted"]


class DevServerFlavorSpec(Spec):
    """Size and placement of the DevServers that name this flavor."""

    default: Annotated[
        bool, Field(description="Taken by DevServers that name no flavor. The oldest default flavor wins.")
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
    node_selector: NodeSelector = {}
    tolerations: Annotated[list[Annotated[Toleration, *_TOLERATION_RULES]], Field(max_length=16)] = []
    volumes: Volumes = []
    runtime_class_name: DnsSubdomain | None = None
    shm_size: Annotated[Quantity, Field(description="Size of /dev/shm; it counts as memory.")] | None = None
    security_profile: Annotated[
        SecurityProfile,
        Field(
            description="Pod Security level that the pods of this flavor meet. baseline: root by doas or sudo. "
            "restricted: no root at all, not even at the start."
        ),
    ] = "baseline"
    prewarm: Prewarm = Prewarm()


class DevServerFlavorStatus(CommonStatus):
    """What the operator observed and did."""

    schedulable: (
        Annotated[
            Literal["Yes", "No", "AUTOSCALED", "Unknown"],
            Field(
                description="Whether a pod of it finds room now. The condition Schedulable says why. AUTOSCALED: not "
                "now, but a NodePool of Karpenter may bring a node."
            ),
        ]
        | None
    ) = None
    fitting_nodes: Annotated[int, Field(ge=0, description="On how many nodes it finds room now.")] | None = (
        None
    )
    dev_servers: Annotated[int, Field(ge=0, description="How many DevServers use it.")] | None = None
    pending_restarts: (
        Annotated[
            int, Field(ge=0, description="How many of these have yet to be restarted to be as it says.")
        ]
        | None
    ) = None


class DevServerFlavor(CustomResource):
    """A size of development machines: resources, placement and security profile."""

    spec: DevServerFlavorSpec
    status: DevServerFlavorStatus = DevServerFlavorStatus()
