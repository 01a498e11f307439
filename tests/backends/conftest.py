"""A reconciler whose states are in an external backend: a directory, or a Postgres server of the tests' own."""

import base64
import glob
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from tests.e2e.conftest import FLAVOR
from tests.e2e.kube import Kube, eventually
from tests.faults.harness import Operator
from tests.patience import HUNG_S, PATIENCE_S, PATIENTLY
from tests.shared_cluster import SharedCluster

# What must not be shown, with characters that mean something in a URL.
PASSWORD = f"{secrets.token_hex(8)}@/?#%"
# Pulumi puts the database's name before each key.
_IN = "postgres/"
_POSTGRES = "/usr/lib/postgresql/*/bin/postgres"


class Store(Protocol):
    """An external backend, looked at past Pulumi."""

    url: str

    def keys(self, prefix: str) -> list[str]:
        """Names that begin so."""

    def read(self, key: str) -> dict[str, Any] | None:
        """What is stored there, which is JSON."""

    def write(self, key: str, text: str) -> None:
        """Store that text."""

    def delete(self, key: str) -> None:
        """Remove it."""


@dataclass(frozen=True)
class Directory:
    """Files. (Who opens it as Pulumi does by default has a file of attributes beside each.)"""

    path: Path

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def keys(self, prefix: str) -> list[str]:
        found = (str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file())
        return [key for key in found if key.startswith(prefix) and not key.endswith(".attrs")]

    def read(self, key: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.path / key).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def write(self, key: str, text: str) -> None:
        (self.path / key).parent.mkdir(parents=True, exist_ok=True)
        (self.path / key).write_text(text)

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


@dataclass(frozen=True)
class Postgres:
    """The table that Pulumi makes in a server on loopback."""

    programs: Path
    port: int

    @property
    def url(self) -> str:
        return (
            f"postgres://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres?sslmode=disable"
        )

    def keys(self, prefix: str) -> list[str]:
        try:
            found = self._ask("SELECT key FROM pulumi_state WHERE key LIKE :'key' || '%'", key=_IN + prefix)
        except subprocess.CalledProcessError as error:
            # The first run makes the table.
            if "does not exist" not in error.stderr:
                raise
            return []
        return [key.removeprefix(_IN) for key in found.split()]

    def read(self, key: str) -> dict[str, Any] | None:
        encoded = self._ask("SELECT data->>'data' FROM pulumi_state WHERE key = :'key'", key=_IN + key)
        found: dict[str, Any] | None = json.loads(base64.b64decode(encoded)) if encoded else None
        return found

    def write(self, key: str, text: str) -> None:
        data = json.dumps({"data": base64.b64encode(text.encode()).decode()})
        statement = (
            "INSERT INTO pulumi_state (key, data) VALUES (:'key', :'data') "
            "ON CONFLICT (key) DO UPDATE SET data = :'data'"
        )
        self._ask(statement, key=_IN + key, data=data)

    def delete(self, key: str) -> None:
        self._ask("DELETE FROM pulumi_state WHERE key = :'key'", key=_IN + key)

    def is_up(self) -> bool:
        try:
            return bool(self._ask("SELECT 1"))
        except subprocess.CalledProcessError:
            return False

    def _ask(self, statement: str, **variables: str) -> str:
        named = [f"--set={name}={value}" for name, value in variables.items()]
        command = [self.programs / "psql", "--no-psqlrc", "-AtqX", "--set=ON_ERROR_STOP=1", *named]
        environment = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGPASSWORD": PASSWORD,
        }
        # Variables are replaced in what comes by standard input only.
        done = subprocess.run(
            command,
            input=statement,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HUNG_S,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of the tests' own, as a user without rights, on loopback."""
    found = sorted(glob.glob(_POSTGRES))
    if not found:
        pytest.skip("Postgres is not installed: python -m toolchain install")
    programs = Path(found[-1]).parent
    directory = Path(tempfile.mkdtemp(prefix="devserver-postgres-", dir="/dev/shm"))
    shutil.chown(directory, "postgres", "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT"]
    (directory / "password").write_text(PASSWORD)
    (directory / "password").chmod(0o644)
    init = ["initdb", "--auth=scram-sha-256", "--username=postgres", f"--pwfile={directory / 'password'}"]
    subprocess.run(
        [*as_postgres, programs / init[0], *init[1:], "--no-sync", "--encoding=UTF8", directory / "data"],
        check=True,
        capture_output=True,
        cwd=directory,
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", directory, "-c", "fsync=off"]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_postgres, programs / "postgres", "-D", directory / "data", *options],
            cwd=directory,
            stdout=log,
            stderr=log,
        )
    store = Postgres(programs, port)
    eventually(store.is_up, what="Postgres answers")
    yield store
    server.terminate()
    try:
        server.wait(PATIENCE_S)
    finally:
        server.kill()
        shutil.rmtree(directory)


@pytest.fixture(scope="module", params=["file", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An empty backend of either kind."""
    if request.param == "file":
        return Directory(tmp_path_factory.mktemp("states"))
    server: Postgres = request.getfixturevalue("postgres")
    return server


@pytest.fixture(scope="module")
def reconciler(cluster: SharedCluster, store: Store) -> Iterator[Operator]:
    """A reconciler on that backend."""
    with Operator.running(cluster, backend_url=store.url, retry_cap_s=2) as operator:
        yield operator


@pytest.fixture
def kube(cluster: SharedCluster, reconciler: Operator) -> Iterator[Kube]:
    """kubectl in a namespace of the test's own."""
    Kube(cluster.admin).apply(FLAVOR)
    bound = Kube(cluster.admin, f"t-{time.time_ns():x}")
    bound("create", "namespace", bound.namespace)
    yield bound
    bound("delete", "devservers", "--all", PATIENTLY)
    bound("delete", "namespace", bound.namespace, "--wait=false")
