"""Fixtures that more than one suite uses."""

import os
import secrets
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tests import shared_cluster
from tests.shared_cluster import SharedCluster

# How long an example takes says more about the machine than about the code.
# The same examples at each run; `--hypothesis-profile=explore` looks for others.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="all of the fault suite, not its short form")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The short form leaves out what is marked as full."""
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether all of the fault suite is wanted, or its short form."""
    return bool(request.config.getoption("--full"))


# A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> SharedCluster:
    """The local cluster with CRDs, roles and admission policy; it stays up after the tests."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the local cluster makes namespaces and mounts")
    return shared_cluster.ensure()


@pytest.fixture
def namespace(cluster: SharedCluster) -> Iterator[str]:
    """A namespace of the test's own, removed afterwards (which nothing waits for)."""
    name = f"t-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
