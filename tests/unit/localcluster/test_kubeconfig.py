"""Kubeconfigs for a local cluster."""

import base64
from pathlib import Path

import yaml

from localcluster import kubeconfig


def test_a_kubeconfig_holds_all_that_it_needs_and_is_for_its_owner_only(pki: Path, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.by_certificate("x", "https://10.99.0.1:6443", pki, "admin"))
    content = yaml.safe_load(path.read_text())
    authority = base64.b64decode(content["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority == (pki / "ca.crt").read_bytes()
    assert set(content["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert path.stat().st_mode & 0o777 == 0o600
