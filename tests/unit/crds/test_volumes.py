"""Volumes of a spec: one for each path."""

import pytest

from crds import DevServerFlavorSpec


def test_two_volumes_on_one_path_are_both_named() -> None:
    mounts = [("code", "/data"), ("cache", "/cache"), ("models", "/data")]
    volumes = [{"claimName": claim, "mountPath": path} for claim, path in mounts]
    with pytest.raises(ValueError, match=r'two volumes on one path: \["code at /data", "models at /data"\]'):
        DevServerFlavorSpec.model_validate({"volumes": volumes})
