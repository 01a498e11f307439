"""A kind of the registry is complete: what else docs/new-kind.md asks for is there, too."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from crds.base import CommonStatus, CustomResource, Spec
from crds.resources import CHILDREN, GROUP
from crds.schema import definitions
from reconciler.controller.kind import Kind
from reconciler.kinds.registry import KINDS

ROOT = Path(__file__).parents[3]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.kind)
KindClass = type[Kind[Any, Any]]


def test_every_definition_is_that_of_a_kind() -> None:
    assert [*definitions()] == [kind.resource.plural for kind in KINDS]


@each_kind
def test_its_definition_is_that_of_its_resource_and_model(kind: KindClass) -> None:
    spec = definitions()[kind.resource.plural]["spec"]
    assert spec["names"]["kind"] == kind.resource.kind == kind.model.__name__
    assert spec["scope"] == ("Namespaced" if kind.resource.namespaced else "Cluster")
    assert (spec["group"], spec["versions"][0]["name"]) == tuple(kind.resource.api_version.split("/"))


@each_kind
def test_its_model_has_what_the_loop_needs(kind: KindClass) -> None:
    assert issubclass(kind.model, CustomResource)
    fields = kind.model.model_fields
    for name, base in (("spec", Spec), ("status", CommonStatus)):
        assert issubclass(fields[name].annotation or object, base)


@each_kind
def test_a_sweep_deletes_only_what_stacks_may_hold(kind: KindClass) -> None:
    assert kind.child_resources
    assert set(kind.child_resources) <= set(CHILDREN)


@each_kind
def test_the_operator_has_rights_on_it(kind: KindClass) -> None:
    roles = yaml.safe_load_all((ROOT / "deploy/roles.yaml").read_text())
    (operator,) = (
        role
        for role in roles
        if (role["kind"], role["metadata"]["name"]) == ("ClusterRole", "devserver-reconciler")
    )
    rights = {
        resource: set(rule["verbs"])
        for rule in operator["rules"]
        if rule["apiGroups"] == [GROUP]
        for resource in rule["resources"]
    }
    assert rights[kind.resource.plural] >= {"get", "list", "watch", "patch", "delete"}
    assert rights[f"{kind.resource.plural}/status"] >= {"patch"}


@each_kind
def test_the_import_rules_name_it(kind: KindClass) -> None:
    package = kind.__module__.rpartition(".")[0]
    name = package.rpartition(".")[2]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rules = {rule["name"]: rule for rule in contracts}
    assert {f"crds.{name}", f"stacks.{name}"} <= set(rules["The loop names no kind"]["forbidden_modules"])
    independent = rules["Kinds know nothing of each other, but for the flavor of a DevServer"]["modules"]
    assert package in independent
