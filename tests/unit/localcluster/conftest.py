"""Keys of a local cluster, for the tests that read them."""

from pathlib import Path

import pytest

from localcluster.pki import write_pki
from localcluster.settings import Settings


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys") / "pki"
    write_pki(directory, Settings(name="x"))
    return directory
