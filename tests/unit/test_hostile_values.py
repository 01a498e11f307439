"""What strangers chose stands in its place, whatever it is, and nothing of it is printed raw."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crds import is_valid_name
from crds.base import CommonStatus
from crds.devserver import CHILD_SUFFIXES
from devctl.terminal.output import table
from devctl.text import inert
from reconciler.kube.recorder import Recorder
from reconciler.status.conditions import ConditionState, StatusPatch, not_ready
from reconciler.status.errors import StalledError, TransientError
from reconciler.status.next_status import PassResult, next_status
from reconciler.text import one_line, printable, shortened, without_middle
from stacks import user
from stacks.devserver import program as devserver
from stacks.devserver.program import DevServerChildren, sshd_files
from stacks.metadata import Owner, owner_hash
from tests import builders
from tests.builders import HOST_KEYS
from tests.declared import Declared, declared
from tests.strategies import HOSTILE, admitted

SOME = settings(max_examples=30)
NOW = datetime(2030, 1, 1, 8, tzinfo=UTC)

# --- each value in its place

MARK = "mark-4711"
SHELL = f"\"'$({MARK}) `id` ${{HOME}} $$ %s \\n \\ # ; | & < > \u202e \x9b \U0001f642"
# By field of the spec: a value, and where a stack holds it, by logical name and path.
MARKED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "owner": ({"owner": MARK}, {"sshd.data.motd"}),
    "image": ({"image": MARK}, {"workload.spec.template.spec.containers.image"}),
    "pull secret": (
        {"imagePullSecrets": [{"name": MARK}]},
        {"workload.spec.template.spec.imagePullSecrets.name"},
    ),
    "comment of a key": ({"ssh": {"publicKey": f"{builders.ED25519} {MARK}"}}, set()),
    "claim": (
        {"volumes": [{"claimName": MARK, "mountPath": "/data"}]},
        {"workload.spec.template.spec.volumes.persistentVolumeClaim.claimName"},
    ),
    "mount path": (
        {"volumes": [{"claimName": "data", "mountPath": f"/{MARK}"}]},
        {"workload.spec.template.spec.containers.volumeMounts.mountPath"},
    ),
    "storage class": (
        {"home": {"size": "1Gi", "storageClassName": MARK}},
        {"home.spec.storageClassName"},
    ),
    "environment name": (
        {"env": [{"name": MARK.replace("-", "_"), "value": ""}]},
        {"workload.spec.template.spec.containers.env.name"},
    ),
    "environment value": (
        {"env": [{"name": "A", "value": SHELL}]},
        {"workload.spec.template.spec.containers.env.value"},
    ),
}


def held(node: Any, path: str = "") -> set[str]:
    """The paths of all strings and keys that hold the mark."""
    marks = (MARK, MARK.replace("-", "_"))
    if isinstance(node, str):
        return {path} if any(mark in node for mark in marks) else set()
    if isinstance(node, list):
        return set().union(*(held(item, path) for item in node))
    if isinstance(node, dict):
        keys = {f"{path}{{key}}" for key in node if any(mark in key for mark in marks)}
        return keys.union(*(held(item, f"{path}.{name}".lstrip(".")) for name, item in node.items()))
    return set()


def stack(**spec: Any) -> Declared:
    # Keys as the reconciler hands them on: without comments.
    return declared(devserver.program(builders.devserver_inputs(spec=spec), HOST_KEYS))


@pytest.mark.parametrize("field", MARKED)
def test_a_value_stands_in_its_place_and_nowhere_else(field: str) -> None:
    spec, expected = MARKED[field]
    found = held({name: item.manifest for name, item in stack(**spec).items()})
    assert found == expected


def test_an_environment_value_arrives_as_it_was_written() -> None:
    template = stack(env=[{"name": "A", "value": SHELL}])["workload"].manifest["spec"]["template"]
    (variable,) = template["spec"]["containers"][0]["env"]
    # Kubernetes makes one of two.
    assert variable == {"name": "A", "value": SHELL.replace("$", "$$")}


def test_an_owner_is_in_labels_by_a_hash_alone() -> None:
    made = stack(owner="a/../../etc#=@", home={"size": "1Gi"})["home"]
    assert made.metadata["labels"]["devserver.io/owner-hash"] == owner_hash("a/../../etc#=@")


@SOME
@given(manifest=admitted("DevServer", "spec.owner", "spec.flavor", "spec.image", "spec.env[].value"))
def test_no_value_adds_a_line_to_the_files_of_sshd(manifest: dict[str, Any]) -> None:
    spec = manifest["spec"]
    inputs = builders.devserver_inputs(
        spec=spec, flavor_name=spec["flavor"], expires_at="2030-01-01T08:00:00Z"
    )
    files, usual = sshd_files(inputs), sshd_files(replace(inputs, spec=builders.devserver().spec))
    assert len(files["motd"].splitlines()) == len(usual["motd"].splitlines())
    assert files["motd"].replace("\n", "").isprintable()
    assert spec["owner"] in files["motd"]
    for name in ("sshd_config", "startup.sh", "authorized_keys"):
        assert files[name] == usual[name]


@SOME
@given(name=st.text("ab0-", min_size=1, max_size=52).map("a{}".format).filter(is_valid_name))
def test_names_of_children_are_labels_of_dns(name: str) -> None:
    children = DevServerChildren.of(Owner("DevServer", "dev-ada", name, "uid"))
    names = {child.name for child in vars(children).values()} | {f"{name}-0"}
    assert names == {name, f"{name}-0", *(f"{name}-{suffix}" for suffix in CHILD_SUFFIXES)}
    assert all(re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", child) for child in names)


@SOME
@given(manifest=admitted("DevServerUser", "spec.username", "spec.rbac.additionalRoleRefs[].name"))
def test_names_of_a_users_children_are_valid(manifest: dict[str, Any]) -> None:
    try:
        inputs = builders.user_inputs(**manifest["spec"])
    except ValidationError:
        reject()
    assert re.fullmatch("dev-[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", inputs.namespace)
    for child in user.program(inputs).children:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", child.name), child
        assert child.namespace in ("", inputs.namespace)


# --- what is told of it

TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(HOSTILE), max_size=20).map("".join),
    st.sampled_from(["\x1b[2J" * 10_000, "\ud800 lone", "<{%reset%}>"]),
)


@given(TEXTS)
def test_text_of_strangers_has_one_line_and_nothing_that_acts(text: str) -> None:
    for told in (one_line(text), printable(text), inert(text)):
        assert told.isprintable()
    assert one_line(one_line(text)) == one_line(text)


@given(TEXTS, st.integers(20, 60))
def test_text_of_strangers_is_cut(text: str, length: int) -> None:
    for told in (shortened(text, length), without_middle(text, length)):
        assert len(told) <= length
        assert told == text or len(text) > length


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_a_row_of_a_table_is_one_line(cells: list[str]) -> None:
    made = table(["A", "B"], [cells])
    for column in made.columns:
        for cell in column.cells:
            assert str(cell).isprintable()


# Which conditions a pass sets by which of its parts.
PARTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "Stalled": lambda text: {"error": StalledError("Rejected", text)},
    "Reconciling": lambda text: {"error": TransientError("RunFailed", text)},
    "Ready": lambda text: {"readiness": not_ready("CrashLoopBackOff", text, "Starting")},
    "Drifted": lambda text: {"drift": ConditionState("Drifted", "True", "DriftObserved", text)},
    "Expiring": lambda text: {
        "patch": StatusPatch(conditions={"Expiring": ConditionState("Expiring", "True", "EndsSoon", text)})
    },
}


@pytest.mark.parametrize("type_", PARTS)
@given(text=TEXTS)
def test_the_message_of_a_condition_is_one_short_line(type_: str, text: str) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("error", "last_update", "digest", "readiness", "drift"), None)
    result = PassResult(**{**nothing, **PARTS[type_](text)})
    status = next_status(1, CommonStatus(), result, NOW)
    (condition,) = [item for item in status["conditions"] if item["type"] == type_]
    assert condition["message"].isprintable()
    assert len(condition["message"]) <= 2000


@given(text=TEXTS)
def test_the_note_of_an_event_is_one_short_line(text: str) -> None:
    written: list[Any] = []

    class Events:
        async def create(self, _: Any, event: Any) -> None:
            written.append(event)

    recorder = Recorder(Events(), "reconciler-1")  # type: ignore[arg-type]
    asyncio.run(recorder.record(builders.resource("DevServer"), "Warning", "Rejected", text))
    (event,) = written
    assert event["note"].isprintable()
    assert len(event["note"]) <= 1000
