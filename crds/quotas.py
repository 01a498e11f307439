"""The bounds of a user's namespace: ResourceQuota and LimitRange.

The rules refuse at once what Kubernetes itself would refuse later, when the objects are made.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model, StatusModel
from crds.quantities import ResourceList, parse_quantity
from crds.rules import Rule, UniqueBy

_COUNTED = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
)
_OF_CONTAINERS = ("cpu", "ephemeral-storage", "memory")
_MEASURED = (
    *(f"{prefix}{name}" for prefix in ("", "limits.", "requests.") for name in _OF_CONTAINERS),
    "requests.storage",
)
_HUGE_PAGES = r"(requests\.)?hugepages-[a-zA-Z0-9_.-]+"


def _can_be_limited(hard: Mapping[str, str]) -> bool:
    return all(
        "/" in key or key in _COUNTED + _MEASURED or re.fullmatch(_HUGE_PAGES, key) is not None
        for key in hard
    )


def _is_counted(key: str) -> bool:
    is_extended = "/" in key and not key.startswith("requests.") and "kubernetes.io/" not in key
    return key in _COUNTED or is_extended


def _counts_are_whole(hard: Mapping[str, str]) -> bool:
    return all(not _is_counted(key) or _is_whole(parse_quantity(value)) for key, value in hard.items())


def _is_whole(number: Decimal) -> bool:
    return number < 2**63 and number % 1 == 0


_QUOTA_RULES = (
    Rule(
        f"self.all(key, key.contains('/') || key in {list(_COUNTED + _MEASURED)} || "
        f"key.matches('^{_HUGE_PAGES}$'))".replace("\\", "\\\\"),
        "keys must be what a ResourceQuota can limit, such as requests.cpu, pods, count/devservers.devserver.io or "
        "requests.nvidia.com/gpu",
        _can_be_limited,
    ),
    Rule(
        f"self.all(key, !(key in {list(_COUNTED)} || (key.contains('/') && !key.startsWith('requests.') && "
        "!key.contains('kubernetes.io/'))) || quantity(string(self[key])).isInteger())",
        "limits on counts, such as pods, must be whole numbers",
        _counts_are_whole,
    ),
)


class ResourceQuotaSpec(Model):
    """Limits on the namespace as a whole (core/v1 ResourceQuotaSpec without scopes)."""

    hard: Annotated[
        ResourceList,
        Field(
            description="The most that the namespace may hold, by resource, for example pods: 4, requests.cpu: 8 or "
            "count/devservers.devserver.io: 2."
        ),
        *_QUOTA_RULES,
    ] = {}


class LimitRangeItem(Model):
    """Bounds for one type of object (core/v1 LimitRangeItem without ratios)."""

    type: Annotated[
        Literal["Container", "Pod", "PersistentVolumeClaim"],
        Field(description="What the bounds are for. Each type can be used once."),
    ]
    default: Annotated[
        ResourceList, Field(description="Limits of a container that has none. Not allowed for type Pod.")
    ] = {}
    default_request: Annotated[
        ResourceList, Field(description="Requests of a container that has none. Not allowed for type Pod.")
    ] = {}
    max: Annotated[
        ResourceList, Field(description="The most that one such object may have, by resource.")
    ] = {}
    min: Annotated[
        ResourceList, Field(description="The least that one such object must have, by resource.")
    ] = {}


def _ordered(low: str, high: str) -> Rule:
    """The field `low` (its name in a manifest) is nowhere above the field `high`."""

    def holds(item: LimitRangeItem) -> bool:
        lows, highs = (item.manifest().get(field, {}) for field in (low, high))
        return all(
            parse_quantity(lows[name]) <= parse_quantity(highs[name]) for name in lows.keys() & highs.keys()
        )

    return Rule(
        f"!has(self.{low}) || !has(self.{high}) || self.{low}.all(name, !(name in self.{high}) || "
        f"quantity(string(self.{low}[name])).compareTo(quantity(string(self.{high}[name]))) <= 0)",
        f"{low} must not exceed {high}",
        holds,
    )


def _keys_fit_type(item: LimitRangeItem) -> bool:
    keys = {*item.min, *item.default_request, *item.default, *item.max}
    if item.type == "PersistentVolumeClaim":
        return keys <= {"storage"}
    return all("/" in key or key in _OF_CONTAINERS or key.startswith("hugepages-") for key in keys)


_BETWEEN = ("min", "defaultRequest", "default", "max")
_LIMIT_RULES = (
    *(_ordered(low, high) for low, high in combinations(_BETWEEN, 2)),
    Rule(
        "self.type != 'Pod' || ((!has(self.default) || self.default.size() == 0) && "
        "(!has(self.defaultRequest) || self.defaultRequest.size() == 0))",
        "default and defaultRequest are not allowed for type Pod",
        lambda item: item.type != "Pod" or not (item.default or item.default_request),
    ),
    Rule(
        "self.type != 'PersistentVolumeClaim' || (has(self.max) && 'storage' in self.max) || "
        "(has(self.min) && 'storage' in self.min)",
        "type PersistentVolumeClaim needs storage in max or min",
        lambda item: item.type != "PersistentVolumeClaim" or "storage" in {**item.max, **item.min},
    ),
    Rule(
        " && ".join(
            f"(!has(self.{field}) || self.{field}.all(key, self.type == 'PersistentVolumeClaim' ? key == 'storage' : "
            f"(key.contains('/') || key in {list(_OF_CONTAINERS)} || key.startsWith('hugepages-'))))"
            for field in _BETWEEN
        ),
        "keys must be cpu, memory, ephemeral-storage, hugepages-* or names such as nvidia.com/gpu; for type "
        "PersistentVolumeClaim, only storage",
        _keys_fit_type,
    ),
)


class LimitRangeSpec(Model):
    """Bounds and defaults for single objects of the namespace (core/v1 LimitRangeSpec)."""

    limits: Annotated[
        list[Annotated[LimitRangeItem, *_LIMIT_RULES]],
        Field(max_length=3, description="The bounds, one entry for each type of object."),
        UniqueBy("type"),
    ] = []


class Quotas(Model):
    """Limits on what the user's namespace may hold. Without them, it is not limited."""

    resource_quota_spec: ResourceQuotaSpec | None = None
    limit_range_spec: LimitRangeSpec | None = None


MOST_LIMITS = 16
# As the API server counts: more forms of a number than a spec may have.
_Amounts = Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=MOST_LIMITS)]


class QuotaStatus(StatusModel):
    """The limits in force and their use, as the ResourceQuota's status shows them."""

    hard: Annotated[_Amounts, Field(description="The limits, by resource.")] = {}
    used: Annotated[_Amounts, Field(description="How much of each limit is used.")] = {}
