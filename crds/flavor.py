"""DevServerFlavor: the t-shirt sizes."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import (
    CommonStatus,
    DnsSubdomain,
    ImageName,
    LabelKey,
    LabelValue,
    Metadata,
    Model,
    NodeSelector,
    Quantity,
    ResourceList,
    Rule,
    StatusModel,
    Volumes,
    parse_quantity,
)


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


class Prewarm(Model):
    """What keeps the first start of this flavor quick."""

    images: Annotated[list[ImageName], Field(max_length=16)] = []


class DevServerFlavorSpec(Model):
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
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = []
    volumes: Volumes = []
    runtime_class_name: DnsSubdomain | None = None
    shm_size: Annotated[Quantity, Field(description="Size of /dev/shm; it counts as memory.")] | None = None
    security_profile: Annotated[
        Literal["baseline"], Field(description="Pod Security level that the pods of this flavor meet.")
    ] = "baseline"
    prewarm: Prewarm = Prewarm()


class DevServerFlavorStatus(CommonStatus):
    """What the operator observed and did."""

    schedulable: (
        Annotated[
            Literal["Yes", "No", "AUTOSCALED", "Unknown"],
            Field(description="Whether a pod of it may find room now."),
        ]
        | None
    ) = None


class DevServerFlavor(StatusModel):
    """A size of development machines: resources, placement and security profile."""

    metadata: Metadata
    spec: DevServerFlavorSpec = DevServerFlavorSpec()
    status: DevServerFlavorStatus = DevServerFlavorStatus()
