"""Kubeconfigs of service accounts."""

from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.kubectl import write_service_account_kubeconfig
from localcluster.paths import Paths
from localcluster.settings import Settings

SETTINGS = Settings(name="x")


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", "-x", "Upper", "a\n"])
def test_no_file_is_written_for_what_is_no_kubernetes_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalClusterError, match="no Kubernetes name"):
        write_service_account_kubeconfig(Paths(tmp_path), SETTINGS, "default", name, "1h")
