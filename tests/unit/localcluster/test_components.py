"""The components of a local cluster: their order and their flags."""

import pytest

from localcluster.components import Component, components
from tests.unit.localcluster.samples import SETTINGS, locate


def component(name: str) -> Component:
    return next(found for found in components(SETTINGS, locate) if found.name == name)


def test_every_component_starts_after_components_that_are_named_before_it() -> None:
    started: set[str] = set()
    for found in components(SETTINGS, locate):
        assert set(found.after) <= started
        started.add(found.name)


def test_every_component_has_a_sign_of_readiness_or_runs_once() -> None:
    assert all(found.once != bool(found.ready) for found in components(SETTINGS, locate))


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("kube-apiserver", "--advertise-address=10.1.0.1"),
        ("kube-apiserver", "--service-cluster-ip-range=10.2.0.0/16"),
        ("kube-apiserver", "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement"),
        ("kube-controller-manager", "--cluster-cidr=10.3.0.0/24"),
        ("kube-controller-manager", "--enable-hostpath-provisioner=true"),
        ("kubelet", "--node-ip=10.1.0.1"),
        ("kube-proxy", "--conntrack-max-per-core=0"),
        ("etcd", "--unsafe-no-fsync"),
    ],
)
def test_components_get_the_clusters_addresses_and_features(name: str, flag: str) -> None:
    assert flag in component(name).argv
