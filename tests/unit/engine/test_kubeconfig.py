"""By what kubeconfig the engine reaches the API server."""

from pathlib import Path

import pytest
import yaml

from reconciler.engine.kubeconfig import find_access, write_config

CLUSTER = {"server": "https://api.example.org:6443/k8s", "certificate-authority": "pki/ca.crt"}
USER = {"client-certificate": "/etc/ada.crt", "client-key": "ada.key"}


def config(cluster: dict[str, object] | None = None, current: str = "here") -> dict[str, object]:
    return {
        "clusters": [{"name": "c", "cluster": cluster or CLUSTER}],
        "users": [{"name": "u", "user": USER}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "x"}}],
        "current-context": current,
    }


def write(file: Path, content: object) -> str:
    file.write_text(yaml.safe_dump(content))
    return str(file)


def test_only_the_way_to_the_api_server_changes(tmp_path: Path) -> None:
    access = find_access({"KUBECONFIG": write(tmp_path / "config", config())})
    assert access is not None
    assert access.address == ("api.example.org", 6443)
    write_config(access, 4711, tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load((tmp_path / "own").read_text())
    assert written["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:4711/k8s",
        "certificate-authority": str(tmp_path / "pki/ca.crt"),
        "tls-server-name": "api.example.org",
    }
    user = {"client-certificate": "/etc/ada.crt", "client-key": str(tmp_path / "ada.key")}
    assert written["users"][0]["user"] == user


def test_the_name_that_the_certificate_must_have_stays(tmp_path: Path) -> None:
    cluster = {**CLUSTER, "tls-server-name": "kubernetes"}
    access = find_access({"KUBECONFIG": write(tmp_path / "config", config(cluster))})
    assert access is not None
    assert access.through(1)["clusters"][0]["cluster"]["tls-server-name"] == "kubernetes"


def test_several_files_are_taken_together(tmp_path: Path) -> None:
    first = write(tmp_path / "one", {"current-context": "here"})
    second = write(
        tmp_path / "two", {key: value for key, value in config().items() if key != "current-context"}
    )
    assert find_access({"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}"}) is not None


def test_inside_a_cluster_the_token_stays_in_its_file() -> None:
    access = find_access({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert access is not None
    assert access.address == ("fd00::1", 443)
    assert access.user == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}


@pytest.mark.parametrize(
    "content",
    [
        config({"server": "http://api.example.org"}),
        config({**CLUSTER, "proxy-url": "http://proxy:3128"}),
        config(current="gone"),
        {},
        None,
        "text",
        {"contexts": [{"name": "here"}], "current-context": "here"},
    ],
    ids=["no TLS", "by a proxy", "no such context", "empty", "null", "text", "half a context"],
)
def test_what_cannot_be_passed_on_is_left_alone(content: object, tmp_path: Path) -> None:
    assert find_access({"KUBECONFIG": write(tmp_path / "config", content)}) is None


def test_without_any_file_there_is_nothing(tmp_path: Path) -> None:
    assert find_access({"KUBECONFIG": str(tmp_path / "missing")}) is None
    (tmp_path / "broken").write_text("a: [")
    assert find_access({"KUBECONFIG": str(tmp_path / "broken")}) is None
