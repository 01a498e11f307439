"""The digest of what a program declares: equal digests mean that nothing is to be done."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from crds import DevServerFlavorSpec, DevServerSpec
from crds.base import CommonStatus
from crds.volumes import VolumeMount
from reconciler.controller.digest import program_digest
from reconciler.kinds.first_digest import digest_of_inputs
from stacks import metadata
from stacks.declarations import Declaration, Program
from stacks.devserver.pod import restart_digest
from stacks.devserver.program import UNKNOWN_HOST_KEYS, DevServerInputs, HostKeys
from tests.builders import HOST_KEYS, devserver, devserver_inputs, flavor_inputs, owner, user_inputs
from tests.unit.stacks.shapes import SHAPES, Inputs, program_of

CHANGED: dict[str, Any] = {
    "owner": replace(owner(), uid="another-life"),
    "spec": devserver(image="debian:trixie").spec,
    "flavor_name": "other",
    "flavor": DevServerFlavorSpec.model_validate({"shmSize": "2Gi"}),
    "authorized_keys": (),
    "time_to_live": "9h",
    "expires_at": "2030-01-01T17:00:00Z",
    "warn_minutes": (15, 5),
    "home_size": "30Gi",
    "tools_image": "tools:2",
    "ssh_service_type": "LoadBalancer",
    "cluster_id": "another-cluster",
}


def digest(inputs: Inputs, host_keys: HostKeys = HOST_KEYS) -> str:
    return program_digest(program_of(inputs, host_keys))


@pytest.mark.parametrize("name", [field.name for field in fields(DevServerInputs)])
def test_every_input_counts(name: str) -> None:
    inputs = SHAPES["devserver with everything"]
    assert digest(replace(inputs, **{name: CHANGED[name]})) != digest(inputs)


@pytest.mark.parametrize("make", [devserver_inputs, flavor_inputs, user_inputs])
def test_equal_inputs_have_equal_digests(make: Any) -> None:
    assert digest(make()) == digest(make())
    assert CommonStatus.model_validate({"inputsDigest": digest(make())}).inputs_digest == digest(make())


def test_a_digest_says_by_which_rule_it_was_made() -> None:
    assert digest(devserver_inputs()).startswith("2:")


def test_the_order_of_a_map_does_not_count() -> None:
    one = flavor_inputs(nodeSelector={"a": "1", "b": "2"}, prewarm={"replicas": 1})
    other = flavor_inputs(nodeSelector={"b": "2", "a": "1"}, prewarm={"replicas": 1})
    assert digest(one) == digest(other)
    assert digest(one) != digest(flavor_inputs(prewarm={"replicas": 1}))


def test_the_order_of_declarations_does_not_count() -> None:
    program = program_of(SHAPES["user with everything"])
    backwards = replace(program, declarations=program.declarations[::-1])
    assert program_digest(backwards) == program_digest(program)


def test_what_changes_no_child_does_not_count() -> None:
    plain = digest(devserver_inputs())
    assert digest(devserver_inputs(spec={"driftPolicy": "Observe"})) == plain
    assert digest(devserver_inputs(spec={"updatePolicy": "Now"})) == plain
    assert digest(flavor_inputs(default=True)) == digest(flavor_inputs())


# --- what counts of a declaration


def config_map(**changes: Any) -> Program:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "box", "labels": {"uid": "1"}, "annotations": {}},
        "data": {"motd": "hello"},
    }
    given = {"name": "sshd", "manifest": manifest, **changes}
    return Program("cluster-uid", (Declaration(**given),), {})


def with_metadata(**fields: Any) -> Program:
    (plain,) = config_map().declarations
    return config_map(manifest={**plain.manifest, "metadata": {**plain.metadata, **fields}})


CHANGES: dict[str, Callable[[], Program]] = {
    "another logical name": lambda: config_map(name="other"),
    "other content": lambda: config_map(
        manifest={**config_map().declarations[0].manifest, "data": {"motd": "good bye"}}
    ),
    "a label of its own": lambda: with_metadata(labels={"uid": "2"}),
    "another owner": lambda: with_metadata(ownerReferences=[{"uid": "1"}]),
    "an option": lambda: config_map(retain_on_delete=True),
    "an order": lambda: config_map(depends_on=("namespace",)),
    "a secret": lambda: config_map(secret_fields=("data",)),
    "one more": lambda: replace(
        config_map(), declarations=(*config_map().declarations, *config_map(name="b").declarations)
    ),
    "one less": lambda: replace(config_map(), declarations=()),
    "another cluster": lambda: replace(config_map(), cluster_id="other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_declared_counts(change: str) -> None:
    assert program_digest(CHANGES[change]()) != program_digest(config_map())


@pytest.mark.parametrize("name", sorted(metadata.ON_EVERY_CHILD))
def test_labels_and_annotations_of_every_child_do_not_count(name: str) -> None:
    for field in ("labels", "annotations"):
        (plain,) = config_map().declarations
        grown = with_metadata(**{field: {**plain.metadata[field], name: "value"}})
        assert program_digest(grown) == program_digest(config_map())


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_what_every_child_has_is_known_not_to_count(field: str) -> None:
    """A name that a version adds to every child must be added there, too: or all stacks are run again."""
    children = [item for inputs in SHAPES.values() for item in program_of(inputs).declarations]
    assert len(children) > 40
    of_all = set.intersection(*(set(item.metadata[field]) for item in children))
    assert of_all
    assert of_all <= metadata.ON_EVERY_CHILD


def test_outputs_do_not_count() -> None:
    assert program_digest(replace(config_map(), outputs={"a": 1})) == program_digest(config_map())


def test_that_there_are_host_keys_counts_but_not_which() -> None:
    inputs = devserver_inputs()
    one, other = HOST_KEYS, HostKeys(("ssh-ed25519 AAAA",), {"ssh_host_ed25519_key": "PRIVATE 3"})
    assert digest(inputs, one) == digest(inputs, other) == digest(inputs, UNKNOWN_HOST_KEYS)
    assert digest(inputs, replace(one, private=None)) != digest(inputs, one)


# --- what later versions add


class LaterVolume(VolumeMount):
    sub_path: str | None = None
    recursive: bool = False
    options: list[str] = []  # noqa: RUF012 (pydantic copies it)


class LaterSpec(DevServerSpec):
    setup: str | None = None
    volumes: list[LaterVolume]  # type: ignore[assignment]


@dataclass(frozen=True)
class LaterDeclaration(Declaration):
    protect: bool = False


def test_an_optional_field_that_a_spec_does_not_use_is_in_no_digest() -> None:
    spec = {"image": "debian:bookworm", "volumes": [{"claimName": "data", "mountPath": "/data"}]}
    before = devserver_inputs(spec=spec)
    manifest = {**before.spec.manifest(), **spec}
    after = replace(before, spec=LaterSpec.model_validate(manifest))
    assert after.spec.model_dump() != before.spec.model_dump()
    assert digest(after) == digest(before)
    assert restart_digest(after.spec) == restart_digest(before.spec)
    assert digest_of_inputs(after) == digest_of_inputs(before)


def test_an_option_that_a_declaration_does_not_use_is_in_no_digest() -> None:
    (plain,) = config_map().declarations
    later = LaterDeclaration(plain.name, plain.manifest)
    assert program_digest(replace(config_map(), declarations=(later,))) == program_digest(config_map())
    later = replace(later, protect=True)
    assert program_digest(replace(config_map(), declarations=(later,))) != program_digest(config_map())
