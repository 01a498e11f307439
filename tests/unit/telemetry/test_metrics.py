"""What the metrics say, and that what users choose never becomes a series."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric

import reconciler
from reconciler.controller import metrics
from reconciler.controller.queue_meter import QueueMeter
from reconciler.engine import metrics as engine_metrics
from reconciler.kinds.flavor import metrics as flavor_metrics
from reconciler.state import metrics as state_metrics
from reconciler.state.diagnosis import Problem
from reconciler.telemetry import metrics as registry
from reconciler.telemetry.metrics import REGISTRY
from tests.metering import Growth, samples

DOCUMENT = Path(__file__).parents[3] / "docs/metrics.md"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    """The kinds have label values of their own, as in the running reconciler."""
    for register in (metrics.register_kinds, engine_metrics.register_kinds):
        register(("DevServer", "DevServerFlavor", "DevServerUser"))


# Every module that adds to the registry.
MODULES = (metrics, engine_metrics, flavor_metrics, state_metrics)


def test_every_module_that_has_metrics_is_read_here() -> None:
    package = Path(str(reconciler.__file__)).parent
    files = {file for file in package.rglob("*.py") if "registry=REGISTRY" in file.read_text()}
    assert files - {Path(str(registry.__file__))} == {Path(str(module.__file__)) for module in MODULES}


def families() -> list[Metric]:
    """All that is ever exposed, less the process's own."""
    found = [*REGISTRY.collect(), *QueueMeter(lambda: 0.0, lambda: ()).collect()]
    return [family for family in found if not family.name.startswith("process_")]


def test_the_document_and_the_module_agree_on_names_types_and_labels() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\|", DOCUMENT.read_text(), flags=re.MULTILINE)
    documented = {name: type_ for name, type_, _ in rows}
    exposed = {
        family.name + ("_total" if family.type == "counter" else ""): family.type for family in families()
    }
    assert documented == exposed
    labels = {name: {label for label in text.split(", ") if label} for name, _, text in rows}
    for family in families():
        for sample in family.samples:
            name = family.name + ("_total" if family.type == "counter" else "")
            assert set(sample.labels) - {"le"} == labels[name], name


def test_every_metric_is_explained_by_a_sentence() -> None:
    assert all(family.documentation.endswith(".") for family in families())


def test_a_kind_that_we_do_not_have_is_one_series_whatever_it_is_called() -> None:
    for kind in ('x",evil="1', "y\n# TYPE", "Z" * 5000):
        engine_metrics.engine_run(f"{kind}-uid", "destroy", "failed", 0.1)
        metrics.adopted(kind)
    exposition = generate_latest(REGISTRY).decode()
    assert 'kind="unknown"' in exposition
    assert "evil" not in exposition
    assert "ZZZ" not in exposition


def test_series_begin_at_zero() -> None:
    """A rate does not see the step from nothing to one."""
    runs = samples(REGISTRY.collect())
    for operation in ("up", "destroy"):
        labels = (("kind", "DevServer"), ("operation", operation), ("result", "lost"))
        assert ("devserver_engine_runs_total", labels) in runs
    growth = Growth()
    for problem in Problem:
        assert ("devserver_state_problems_total", (("problem", problem),)) in runs
    state_metrics.state_problem(Problem.DAMAGED)
    assert growth("devserver_state_problems_total", problem="damaged") == 1
