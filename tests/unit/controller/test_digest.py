"""The digest of a run's inputs: equal digests mean that nothing is to be done."""

import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import stacks
from crds import DevServerFlavorSpec
from reconciler.controller import digest
from reconciler.controller.digest import inputs_digest, programs_digest
from stacks.devserver import DevServerInputs
from tests.builders import devserver, devserver_inputs, flavor_inputs, owner, user_inputs

CHANGED: dict[str, Any] = {
    "owner": replace(owner(), uid="another-life"),
    "spec": devserver(image="debian:trixie").spec,
    "flavor_name": "gpu",
    "flavor": DevServerFlavorSpec.model_validate({"shmSize": "1Gi"}),
    "authorized_keys": (),
    "time_to_live": "8h",
    "expires_at": "2030-01-01T16:00:00Z",
    "warn_minutes": (15, 5),
    "home_size": "1Gi",
    "tools_image": "tools:2",
    "ssh_service_type": "NodePort",
    "cluster_id": "another-cluster",
}


@pytest.mark.parametrize("name", [field.name for field in fields(DevServerInputs)])
def test_every_input_counts(name: str) -> None:
    inputs = devserver_inputs()
    assert inputs_digest(replace(inputs, **{name: CHANGED[name]})) != inputs_digest(inputs)


@pytest.mark.parametrize("make", [devserver_inputs, flavor_inputs, user_inputs])
def test_equal_inputs_have_equal_digests(make: Any) -> None:
    assert inputs_digest(make()) == inputs_digest(make())
    assert len(inputs_digest(make())) <= 128


def test_the_order_of_a_map_does_not_count() -> None:
    one = flavor_inputs(nodeSelector={"a": "1", "b": "2"})
    other = flavor_inputs(nodeSelector={"b": "2", "a": "1"})
    assert inputs_digest(one) == inputs_digest(other)


@pytest.mark.parametrize("file", ["pod.py", "files/startup.sh"])
def test_the_programs_themselves_count(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(Path(stacks.__file__).parent, tmp_path / "stacks")
    monkeypatch.setattr(digest.resources, "files", lambda package: copy)
    digests = [programs_digest.__wrapped__()]
    for change in (lambda: (copy / file).write_text("changed"), lambda: (copy / file).unlink()):
        change()
        digests.append(programs_digest.__wrapped__())
    assert len(set(digests)) == 3


def test_compiled_programs_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(Path(stacks.__file__).parent, tmp_path / "stacks")
    monkeypatch.setattr(digest.resources, "files", lambda package: copy)
    before = programs_digest.__wrapped__()
    (copy / "__pycache__").mkdir(exist_ok=True)
    (copy / "__pycache__" / "pod.another.pyc").write_bytes(b"compiled")
    assert programs_digest.__wrapped__() == before
