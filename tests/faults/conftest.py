"""The cluster, and operators behind proxies, for tests of faults."""

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from crds.resources import DEVSERVER, FLAVOR, LEASE, NAMESPACE, SECRET
from reconciler.leaderelection.lease import LEASE_NAME
from tests import builders
from tests.faults.harness import Operator, Space
from tests.faults.invariants import STATE_OF, Guard
from tests.faults.kubeapi import Api, ApiError
from tests.shared_cluster import SYSTEM_NAMESPACE, SharedCluster

_LOG_LINES = 60
# Of the namespaces of these tests, so that a later session finds what one that was cut short left behind.
_PREFIX = "faults-"
MakeOperator = Callable[..., Operator]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need the cluster."""
    for item in items:
        if "tests/faults" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def tell_figure(record_property: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
    """Prints a figure at the end of the session."""
    return record_property


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        f"{report.location[2]}: {name}: {value}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in report.user_properties
    ]
    if figures:
        terminalreporter.section("figures")
    for figure in figures:
        terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def api(cluster: SharedCluster) -> Iterator[Api]:
    """The API server, past any proxy, as the administrator."""
    api = Api(cluster.admin)
    try:
        spec = {"resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}}
        api.create(FLAVOR, builders.manifest("DevServerFlavor", "tiny", default=True, **spec))
    except ApiError as error:
        if error.code != 409:
            raise
    for namespace in api.list(NAMESPACE):
        if namespace["metadata"]["name"].startswith(_PREFIX):
            _remove(api, namespace["metadata"]["name"])
    yield api
    api.close()


@pytest.fixture
def make_operator(cluster: SharedCluster, api: Api) -> Iterator[MakeOperator]:
    """Makes operators, which do not run yet; settings by keyword. They end with the test."""
    made: list[Operator] = []

    def make(**settings: Any) -> Operator:
        operator = Operator.make(cluster, **settings)
        made.append(operator)
        return operator

    yield make
    for operator in made:
        operator.close()
    # For the next test not to wait until a killed leader's Lease runs out.
    api.delete(LEASE, SYSTEM_NAMESPACE, LEASE_NAME)


@pytest.fixture
def operator(make_operator: MakeOperator) -> Operator:
    """One running operator."""
    operator = make_operator()
    operator.start()
    return operator


@pytest.fixture
def space(api: Api) -> Iterator[Space]:
    """A namespace of the test's own."""
    with _space(api) as space:
        yield space


@pytest.fixture
def other_space(api: Api) -> Iterator[Space]:
    """Another one, for what goes on beside."""
    with _space(api) as space:
        yield space


@contextmanager
def _space(api: Api) -> Iterator[Space]:
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    api.create(NAMESPACE, {"metadata": {"name": name}})
    yield Space(api, name)
    _remove(api, name)


def _remove(api: Api, namespace: str) -> None:
    """Remove a namespace with all that belongs to it, without an operator: the next test's has no part in it."""
    for devserver in api.list(DEVSERVER, namespace):
        name = devserver["metadata"]["name"]
        with suppress(ApiError):
            api.patch(DEVSERVER, namespace, name, {"metadata": {"finalizers": []}})
        api.delete(DEVSERVER, namespace, name)
    for secret in api.list(SECRET, SYSTEM_NAMESPACE, "devserver.io/state=checkpoint"):
        if f'"namespace": "{namespace}"' in secret["metadata"].get("annotations", {}).get(STATE_OF, ""):
            api.delete(SECRET, SYSTEM_NAMESPACE, secret["metadata"]["name"])
    api.delete(NAMESPACE, "", namespace)


@pytest.fixture
def guard(space: Space, operator: Operator) -> Guard:
    """Watches over the namespace and the operator. Ask it after the fault: guard.check()."""
    return Guard(space, [operator])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the operators logged last, and the last requests."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for operator in {id(value): value for value in _operators(item)}.values():
            if operator.log.exists():
                lines = operator.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
                report.sections.append((f"log of {operator.directory}", "\n".join(lines)))
            requests = [
                f"{item.started:.3f} {item.write or ''} {item.method} {item.path} {item.status}"
                for item in operator.proxy.log
                if item.write
            ][-_LOG_LINES:]
            report.sections.append((f"writes at {operator.directory}", "\n".join(requests)))
    return report


def _operators(item: pytest.Function) -> list[Operator]:
    guard = item.funcargs.get("guard")
    found = [value for value in item.funcargs.values() if isinstance(value, Operator)]
    return found + (guard.operators if isinstance(guard, Guard) else [])
