"""The size of a home. It is expanded if its storage allows that; otherwise a condition says why not. Pure.

The API server refuses to expand a PVC if it is not bound or its StorageClass does not allow expansion. A run that tries
anyway would fail and block every other change. The rule comes from the admission plugin PersistentVolumeClaimResize:
https://github.com/kubernetes/kubernetes/blob/v1.34.4/plugin/pkg/admission/storage/persistentvolume/resize/admission.go
"""

from typing import Any

from pydantic import ValidationError

from crds import parse_quantity
from crds.home import Home
from reconciler.kube.objects import Object
from reconciler.status import reasons
from reconciler.status.conditions import ConditionState


def size_to_ask_for(wanted: str, claim: Object | None, storage_class: Object | None) -> str:
    """The size that the PVC should request. It is never smaller than now, so an expansion by hand stays.

    wanted: the size in the spec. claim: the live PVC, None if there is none.
    storage_class: the PVC's StorageClass, None if it is unknown.
    """
    if claim is None:
        return wanted
    live = _requested(claim)
    if parse_quantity(wanted) <= parse_quantity(live):
        # The same size in another notation is no change.
        return wanted if parse_quantity(wanted) == parse_quantity(live) else live
    return wanted if _is_bound(claim) and _allows_expansion(storage_class) else live


def shortfall(wanted: str, claim: Object, storage_class: Object | None) -> ConditionState | None:
    """The condition HomeSmaller: why the home is smaller than the spec says; None if it is not smaller."""
    name, live = claim["metadata"]["name"], _requested(claim)
    if parse_quantity(wanted) > parse_quantity(live):
        if not _is_bound(claim):
            message = f"PersistentVolumeClaim {name} ({live}) is not bound yet. Once bound, it is expanded to {wanted}."
            return ConditionState(reasons.HOME_SMALLER, "True", reasons.HOME_NOT_BOUND, message)
        if not _allows_expansion(storage_class):
            class_ = claim["spec"].get("storageClassName")
            message = (
                f"spec.home.size: PersistentVolumeClaim {name} stays at {live} instead of {wanted}, because its "
                f"StorageClass {class_!r} does not allow expansion (allowVolumeExpansion)."
            )
            return ConditionState(
                reasons.HOME_SMALLER, "True", reasons.HOME_CANNOT_EXPAND, message, warns=True
            )
        return None  # the next run requests the larger size
    has = claim.get("status", {}).get("capacity", {}).get("storage")
    if not _is_bound(claim) or has is None or parse_quantity(has) >= parse_quantity(live):
        return None
    message = f"PersistentVolumeClaim {name} has {has} of {live}: its storage is being expanded."
    return ConditionState(
        reasons.HOME_SMALLER, "True", reasons.HOME_EXPANDING, " ".join([message, *_claims_own_words(claim)])
    )


def shortfall_of(
    resource: Object, claim: Object | None, storage_class: Object | None
) -> ConditionState | None:
    """The condition HomeSmaller of a DevServer, even if its spec is invalid. claim: the PVC of its home, or None."""
    if claim is None:
        return None
    try:
        size = Home.model_validate(resource["spec"].get("home")).size
    except ValidationError:
        return None
    return shortfall(size, claim, storage_class)


def _requested(claim: Object) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _is_bound(claim: Object) -> bool:
    return bool(claim.get("status", {}).get("phase") == "Bound")


def _allows_expansion(storage_class: Object | None) -> bool:
    return storage_class is not None and storage_class.get("allowVolumeExpansion") is True


def _claims_own_words(claim: Object) -> list[str]:
    conditions: list[dict[str, Any]] = claim.get("status", {}).get("conditions") or []
    return [item["message"] for item in conditions if item["status"] == "True" and item.get("message")]
