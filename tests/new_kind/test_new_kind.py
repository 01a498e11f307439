"""A fourth kind, made by following docs/new-kind.md: its life in the operator, against API server and engine."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crds.resources import CHILD_RESOURCES
from reconciler.kinds.registry import KINDS
from reconciler.kube.objects import Key
from reconciler.state.store import StackId
from stacks.metadata import UID_LABEL, Owner
from tests import builders
from tests.e2e.conftest import FLAVOR
from tests.e2e.kube import condition, eventually
from tests.monitoring import Server
from tests.new_kind.crds.note import DEFINITION, NOTE, DevServerNoteSpec
from tests.new_kind.kinds.note.kind import READ
from tests.new_kind.stacks.note import DevServerNoteInputs, program
from tests.patience import PATIENTLY
from tests.reconciler_process import ReconcilerProcess
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent
Object = dict[str, Any]


@pytest.fixture(scope="module")
def served(cluster: SharedCluster) -> Iterator[SharedCluster]:
    """The cluster with the definition of the kind and the operator's rights on it."""
    rights = f"--filename={HERE / 'deploy/roles.yaml'}"
    name = f"customresourcedefinition/{DEFINITION['metadata']['name']}"
    cluster.apply(DEFINITION)
    cluster.kubectl("wait", "--for=condition=Established", PATIENTLY, name)
    cluster.kubectl("apply", rights)
    yield cluster
    cluster.kubectl("delete", name, PATIENTLY)
    cluster.kubectl("delete", rights)


@pytest.fixture(scope="module")
def operator(served: SharedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReconcilerProcess]:
    """The operator with the kind in its table. Nothing of its code knows of it."""
    run_dir = Path(tempfile.mkdtemp(prefix="devserver-new-kind-", dir="/dev/shm"))
    environment = {
        **served.environment(),
        "DEVSERVER_RUN_DIR": str(run_dir),
        "DEVSERVER_LOG_FORMAT": "json",
    }
    log = tmp_path_factory.mktemp("operator") / "log"
    process = ReconcilerProcess(environment, log, module="tests.new_kind")
    process.start()
    yield process
    process.stop()
    shutil.rmtree(run_dir)


class Notes:
    """The DevServerNote `news` of a namespace, and what there is of it."""

    def __init__(self, cluster: SharedCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def kubectl(self, *args: str) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *args)

    def apply(self, text: str, author: str = "editor", **spec: Any) -> None:
        self.cluster.apply(
            {
                "apiVersion": NOTE.api_version,
                "kind": NOTE.kind,
                "metadata": {"name": "news", "namespace": self.namespace},
                "spec": {"text": text, "author": author, **spec},
            }
        )

    def note(self) -> Object:
        return self.cluster.get("dvsn", "news", self.namespace) or {}

    def is_settled(self) -> bool:
        """Whether the present spec is applied."""
        note, ready = self.note(), self.condition("Ready")
        return (
            ready.get("status") == "True"
            and ready.get("observedGeneration") == note["metadata"]["generation"]
            and not self.condition("Reconciling")
        )

    def condition(self, type_: str) -> Object:
        return condition(self.note(), type_)

    def config_map(self) -> Object:
        return self.cluster.get("configmap", "news-note", self.namespace) or {}

    def data(self) -> Object:
        return dict(self.config_map().get("data", {}))

    def state_name(self) -> str:
        """The name of its stack's state Secret."""
        return StackId(Key(NOTE.kind, self.namespace, "news"), self.note()["metadata"]["uid"]).secret_name

    def has_state(self, name: str) -> bool:
        """Whether there is a state Secret of that name."""
        return self.cluster.get("secret", name, SYSTEM_NAMESPACE) is not None

    def events(self) -> set[str]:
        """The reasons of Events about it."""
        selector = f"--field-selector=involvedObject.kind={NOTE.kind}"
        return set(self.kubectl("get", "events", selector, "--output=jsonpath={.items[*].reason}").split())


@pytest.fixture
def notes(served: SharedCluster, operator: ReconcilerProcess, namespace: str) -> Iterator[Notes]:
    notes = Notes(served, namespace)
    yield notes
    for kind in ("dvsn", "dvs"):
        notes.kubectl("delete", kind, "--all", PATIENTLY)


@pytest.fixture
def settled(notes: Notes) -> Notes:
    """With a note that is applied."""
    notes.kubectl("create", "serviceaccount", "editor")
    notes.apply("Hello")
    eventually(notes.is_settled, "the note is applied")
    return notes


def test_its_program_is_a_value_with_one_object_of_its_own() -> None:
    """The unit test of step 6: no cluster is needed to see what a program declares."""
    owner = Owner(NOTE.kind, "dev-ada", "news", "uid-news")
    (declared,) = program(DevServerNoteInputs(owner, "Hello", "editor", "cluster-uid")).declarations
    assert (declared.child.api_version, declared.child.kind) in CHILD_RESOURCES
    assert declared.manifest["data"] == {"text": "Hello", "author": "editor"}
    assert declared.metadata["labels"][UID_LABEL] == "uid-news"


def test_the_product_knows_it_by_no_name() -> None:
    assert NOTE.kind not in {kind.resource.kind for kind in KINDS}
    root = HERE.parents[1]
    for package in ("crds", "stacks", "reconciler", "deploy"):
        for file in (root / package).rglob("*"):
            if file.suffix in (".py", ".yaml"):
                assert "devservernote" not in file.read_text().lower(), file


def test_its_schema_refuses_what_its_model_refuses(notes: Notes) -> None:
    for text in ("x" * 1001, "  "):
        with pytest.raises(AssertionError, match=r"spec\.text"):
            notes.apply(text)
        with pytest.raises(ValidationError, match="text"):
            DevServerNoteSpec.model_validate({"text": text, "author": "editor"})


def test_it_waits_for_what_it_watches_and_is_made_then(notes: Notes) -> None:
    notes.apply("Hello")
    waiting = eventually(lambda: notes.condition("Reconciling"), "the note waits")
    assert (waiting["reason"], notes.note()["status"]["phase"]) == ("AuthorNotFound", "Waiting")
    assert not notes.config_map()
    notes.kubectl("create", "serviceaccount", "editor")
    eventually(notes.is_settled, "the note is applied")
    assert notes.data() == {"text": "Hello", "author": "editor"}
    assert notes.condition("Ready")["reason"] == "Applied"
    status = notes.note()["status"]
    assert status["length"] == len("Hello")
    assert (status["phase"], status["lastUpdate"]["changes"]["create"] > 0) == ("Ready", True)
    assert notes.has_state(notes.state_name())
    eventually(lambda: {"AuthorNotFound", "Applied"} <= notes.events(), "Events tell of both")


def test_a_change_is_one_run_and_no_change_is_none(settled: Notes, operator: ReconcilerProcess) -> None:
    before = operator.runs(f"{settled.namespace}/news")
    settled.apply("Good night")
    eventually(lambda: settled.data()["text"] == "Good night", "the ConfigMap follows")
    eventually(settled.is_settled, "the note is applied")
    assert settled.note()["status"]["length"] == len("Good night")
    assert operator.runs(f"{settled.namespace}/news") == before + 1
    generation = settled.note()["metadata"]["generation"]
    settled.apply("Good night", driftPolicy="Observe")
    eventually(
        lambda: settled.note()["status"]["observedGeneration"] == generation + 1, "the operator looks at it"
    )
    assert operator.runs(f"{settled.namespace}/news") == before + 1


def test_what_others_change_or_delete_is_put_back(settled: Notes) -> None:
    settled.kubectl("patch", "configmap", "news-note", "--type=merge", '--patch={"data": {"text": "No!"}}')
    eventually(lambda: settled.data()["text"] == "Hello", "the text is put back")
    uid = settled.config_map()["metadata"]["uid"]
    settled.kubectl("delete", "configmap", "news-note")

    def is_new() -> bool:
        made = settled.config_map()
        return bool(made) and made["metadata"]["uid"] != uid

    eventually(is_new, "the ConfigMap is made anew")
    assert settled.data()["text"] == "Hello"
    eventually(lambda: "DriftRepaired" in settled.events(), "an Event says so")


def test_a_devserver_beside_it_works_and_is_seen_by_it(settled: Notes) -> None:
    assert not settled.condition(READ)
    settled.cluster.apply(FLAVOR)
    settled.cluster.apply(
        builders.manifest("DevServer", "box", settled.namespace, flavor="tiny", running=False)
    )

    def is_applied() -> bool:
        box = settled.cluster.get("dvs", "box", settled.namespace) or {}
        return condition(box, "Ready").get("observedGeneration") == 1

    eventually(is_applied, "the DevServer is applied")
    assert settled.cluster.get("statefulset", "box", settled.namespace)
    read = eventually(lambda: settled.condition(READ), "the note has a reader")
    assert (read["status"], read["reason"]) == ("True", "HasReaders")
    settled.kubectl("delete", "dvs", "box", PATIENTLY)
    eventually(lambda: not settled.condition(READ), "the note has no reader any more")
    assert not settled.cluster.get("statefulset", "box", settled.namespace)
    assert settled.is_settled()


def test_a_deletion_takes_its_stack_along(settled: Notes) -> None:
    state = settled.state_name()
    assert settled.has_state(state)
    settled.kubectl("delete", "dvsn", "news", PATIENTLY)
    assert not settled.config_map()
    assert not settled.has_state(state)


def test_its_metrics_have_labels_of_their_own(settled: Notes, operator: ReconcilerProcess) -> None:
    found = Server.of(operator).figures()
    runs = {"kind": NOTE.kind, "operation": "up", "result": "success"}
    passes = {"controller": NOTE.kind.lower(), "result": "success"}
    assert found["devserver_engine_runs_total", tuple(sorted(runs.items()))] > 0
    assert found["controller_runtime_reconcile_total", tuple(sorted(passes.items()))] > 0
