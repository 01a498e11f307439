"""Statuses from before digests had a version: they are renewed, or mean one run."""

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.controller.digest import program_digest, renewed
from reconciler.kinds.first_digest import declares_the_same, first_digest
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerInputs
from stacks.flavor import DevServerFlavorInputs
from stacks.user import DevServerUserInputs
from tests.builders import devserver_inputs, flavor_inputs
from tests.unit.stacks.shapes import SHAPES, Inputs, program_of

# As the operator of then wrote them into statuses.
WRITTEN = {
    "devserver": "c8b787343c8e1c30c43eaf4862ce561840ce16bd",
    "devserver with everything": "cd411f358a23de78fc17cebaeb60aa82ac95c432",
    "devserver without root": "efded8dee2b97abaf57bfb82cb9e2728d7ce3ff1",
    "devserver without root, with a home": "300099e210fc57053bbf59f00ea819c2f1fae5eb",
    "devserver that is stopped, its home to be deleted": "026068a12e9136de5d8508f1093337d86b894829",
    "devserver whose home is the flavor's": "0d75e9f0da744c69608e15f27d9f7bccf953d584",
    "devserver of another life and cluster": "8b9c9b70826d4711b0097e644c28945a549b5c3b",
    "flavor": "b4d8660f18d2754bc34f21f1a70ceb810bf7e238",
    "flavor with everything": "1c7302573400cd5fc849718d578878a36b36cc44",
    "flavor with images, of a long name": "252f3ffbf6cd0372919101678a0203efc70c8b10",
    "flavor with room, without root": "79de3db149916535088c72c5cc53a971393ca07d",
    "user": "e4ac7b837628c29eee1cc193dc56e9f4e33ac0e8",
    "user with everything": "c98f13c3f08980ed98c9a33b663b2814b2a2727a",
    "user whose namespace is to be deleted": "f27568c5878ec26376c4766bfd884ba0bacab4c4",
}


def present(inputs: Inputs) -> str:
    return program_digest(program_of(inputs))


def after_upgrade(recorded: str | None, inputs: Inputs) -> str | None:
    """The digest that counts for a status with this one."""
    return renewed(recorded, present(inputs), lambda: first_digest(inputs))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_digest_of_then_is_renewed_where_nothing_has_changed(shape: str) -> None:
    inputs = SHAPES[shape]
    assert first_digest(inputs) == WRITTEN[shape]
    assert after_upgrade(WRITTEN[shape], inputs) == present(inputs)


@pytest.mark.parametrize("kind", [DevServerInputs, DevServerFlavorInputs, DevServerUserInputs])
def test_the_programs_declare_what_they_declared(kind: type) -> None:
    """Once they do not, on purpose, statuses of then mean one run, and the module is of no use: delete both."""
    assert declares_the_same(kind)


CASES: dict[str, tuple[str | None, Any]] = {
    "nothing was applied": (None, devserver_inputs()),
    "other inputs": (WRITTEN["devserver"], devserver_inputs(spec={"image": "debian:trixie"})),
    "another field that changes no child": (
        WRITTEN["devserver"],
        devserver_inputs(spec={"driftPolicy": "Observe"}),
    ),
    "inputs of another kind": (WRITTEN["devserver"], flavor_inputs()),
    "a digest with a version": ("2:" + "0" * 40, devserver_inputs()),
    "a digest of a version to come": ("3:" + "0" * 40, devserver_inputs()),
    "anything": ("", devserver_inputs()),
}


@pytest.mark.parametrize(("recorded", "inputs"), CASES.values(), ids=CASES)
def test_any_other_digest_stays_as_it_is(recorded: str | None, inputs: Any) -> None:
    assert after_upgrade(recorded, inputs) == recorded


@pytest.fixture
def changed_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DevServers are declared otherwise than then."""
    monkeypatch.setattr(devserver, "SSH_PORT", 2022)
    declares_the_same.cache_clear()
    yield
    declares_the_same.cache_clear()


@pytest.mark.usefixtures("changed_program")
def test_a_digest_of_then_means_a_run_once_the_program_declares_something_else() -> None:
    inputs = SHAPES["devserver"]
    assert after_upgrade(WRITTEN["devserver"], inputs) == WRITTEN["devserver"]
    user = SHAPES["user"]
    assert after_upgrade(WRITTEN["user"], user) == present(user)
