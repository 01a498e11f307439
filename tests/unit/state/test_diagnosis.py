"""What can be wrong with a stored state: each way is told from the others."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.state import checkpoint
from reconciler.state.diagnosis import Problem, Unusable, diagnose
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from tests.builders import owner, stack_id
from tests.unit.state.test_checkpoint import STACK, entry, state

Object = dict[str, Any]
ID = stack_id()
SALT = "v1:ours"
SSHD = DevServerChildren.of(owner()).sshd
CONTENT = state(entry(SSHD))
GZIPPED = gzip.compress(CONTENT * 20, mtime=0)


def damaged(secret: Object, content: bytes | str | None) -> Object:
    """The Secret with that content: bytes as they are packed, text in place of their base64, None for no data."""
    text = base64.b64encode(content).decode() if isinstance(content, bytes) else content
    return secret | {"data": None if text is None else {"checkpoint.json.gz": text}}


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def salted(salt: Any) -> bytes:
    providers = {"type": "passphrase", "state": {"salt": salt} if salt else {}}
    return state(entry(SSHD), secrets_providers=providers)


def latest(**fields: Any) -> bytes:
    name = f"organization/devserver/{ID.stack}"
    return json.dumps({"version": 3, "checkpoint": {"stack": name, "latest": fields}}).encode()


BY_PROBLEM: dict[Problem, dict[str, bytes | str | None]] = {
    Problem.MISSING: {
        "no data": None,
        "never written by a run": packed(checkpoint.empty(ID.stack)),
        "only initialised": packed(latest(manifest={}, secrets_providers={"state": {"salt": SALT}})),
    },
    Problem.DAMAGED: {
        "no base64": "!!!",
        "not even text": "\u00e9",
        "empty": b"",
        "no gzip": b"plain",
        "cut short": GZIPPED[:-5],
        "a broken stream": GZIPPED[:12] + b"\xff" * 20 + GZIPPED[32:],
        "a wrong checksum": GZIPPED[:-8] + b"\x00" * 8,
        "nothing packed": packed(b""),
        "no checkpoint": packed(b"[]"),
        "half a checkpoint": packed(CONTENT[: len(CONTENT) // 2]),
        "no text": packed(b"\xff\xfe"),
        "no stack's name": packed(b'{"checkpoint": {"latest": {}}}'),
        "nested without end": packed(b"[" * 200_000),
        "a bomb": packed(b" " * (65 * 2**20)),
        "other JSON": packed(latest(resources=[1])),
        "resources that are none": packed(latest(resources=5)),
        "a resource without a urn": packed(latest(resources=[{"type": "kubernetes:x"}])),
        "a name that is a number": packed(state(entry(SSHD, inputs={"metadata": {"name": 5}}))),
        "a salt in the wrong place": packed(latest(resources=[STACK], secrets_providers=["x"])),
        "a kind that no stack makes": packed(state(entry(Child("v1", "Pod", "dev-ada", "box")))),
    },
    Problem.FOREIGN: {
        "another stack's": packed(state(entry(SSHD), stack="devserver-uid-other")),
        "another stack's without a run": packed(checkpoint.empty("devserver-uid-other")),
    },
    Problem.KEYS_LOST: {"encrypted with another passphrase": packed(salted("v1:lost"))},
}
UNUSABLE = {name: content for cases in BY_PROBLEM.values() for name, content in cases.items()}


@pytest.mark.parametrize(
    ("problem", "content"),
    [
        pytest.param(problem, content, id=name)
        for problem, cases in BY_PROBLEM.items()
        for name, content in cases.items()
    ],
)
def test_each_problem_has_its_name(problem: Problem, content: bytes | str | None) -> None:
    found = diagnose(damaged({}, content), ID.stack, SALT)
    assert isinstance(found, Unusable)
    assert found.problem is problem


def test_without_a_secret_the_state_is_missing() -> None:
    assert diagnose(None, ID.stack, SALT) == Unusable(Problem.MISSING, "it does not exist")


@pytest.mark.parametrize("salt", [SALT, None], ids=["our salt", "no secrets in it"])
def test_a_sound_checkpoint_is_given_back(salt: str | None) -> None:
    content = salted(salt)
    assert diagnose(damaged({}, packed(content)), ID.stack, SALT) == content


def test_a_stack_without_children_is_sound() -> None:
    content = latest(resources=[STACK])
    assert diagnose(damaged({}, packed(content)), ID.stack, SALT) == content


@given(st.binary(max_size=60))
def test_whatever_a_secret_holds_there_is_a_diagnosis(noise: bytes) -> None:
    whole = packed(CONTENT)
    for content in (noise, whole[:10] + noise, whole[: len(whole) - len(noise)] + noise, packed(noise)):
        found = diagnose(damaged({}, content), ID.stack, SALT)
        assert found == CONTENT or isinstance(found, Unusable)
