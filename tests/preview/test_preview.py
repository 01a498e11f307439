"""`eval "$(make -s env)" && pulumi preview`, with the real CLI against the real cluster. Nothing is written there."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from preview.__main__ import ManifestError, load
from tests.patience import HUNG_S
from tests.shared_cluster import ROOT, SharedCluster

pytestmark = pytest.mark.cluster

SETTINGS = ROOT / "Pulumi.dev.yaml"
# As a person types it, save for make, which would only look after the virtual environment.
SHELL = 'set -e; environment="$("$0" -m demo env)"; eval "$environment"; exec pulumi "$@"'
DEVSERVER = {
    ("kubernetes:core/v1:ConfigMap", "sshd"),
    ("kubernetes:core/v1:Secret", "host-keys"),
    ("kubernetes:core/v1:Service", "headless"),
    ("kubernetes:core/v1:Service", "ssh"),
    ("kubernetes:apps/v1:StatefulSet", "workload"),
}
USER = {
    ("kubernetes:core/v1:Namespace", "namespace"),
    ("kubernetes:core/v1:ServiceAccount", "service-account"),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "default-deny"),
    ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "ssh"),
    ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "binding-clusterrole.devserver-user"),
}


@dataclass
class Preview:
    """Runs Pulumi on a manifest, with settings of the test's own in place of Pulumi.dev.yaml."""

    cluster: SharedCluster
    directory: Path

    def run(self, manifest: str | Path, *options: str, **config: str) -> subprocess.CompletedProcess[str]:
        settings = yaml.safe_load(SETTINGS.read_text())
        values = {"manifest": str(manifest), **config}
        settings["config"] = {f"devserver:{name}": value for name, value in values.items()}
        file = self.directory / "settings.yaml"
        file.write_text(yaml.safe_dump(settings))
        return self.pulumi("preview", f"--config-file={file}", *options)

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", SHELL, sys.executable, *arguments, "--non-interactive", "--color=never"],
            cwd=ROOT,
            env={**os.environ, "CLUSTER": "current", "KUBECONFIG": str(self.cluster.admin)},
            capture_output=True,
            text=True,
            timeout=HUNG_S,
        )

    def created(self, manifest: str | Path, **config: str) -> dict[tuple[str, str], dict[str, Any]]:
        """The inputs of every Kubernetes object that would be created, by type and name."""
        done = self.run(manifest, "--json", **config)
        assert done.returncode == 0, done.stdout + done.stderr
        states = [step["newState"] for step in json.loads(done.stdout)["steps"] if step["op"] == "create"]
        named = {(state["type"], state["urn"].rpartition("::")[2]): state for state in states}
        return {key: state["inputs"] for key, state in named.items() if key[0].startswith("kubernetes:")}

    def refusal(self, manifest: str | Path, **config: str) -> str:
        done = self.run(manifest, **config)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout
        return done.stdout

    def devserver(self, name: str, **spec: Any) -> Path:
        """A file with the example, changed."""
        manifest = yaml.safe_load((ROOT / "examples/devserver.yaml").read_text())
        manifest["metadata"] = {"name": name, "namespace": "default"}
        manifest["spec"] |= spec
        return self.write(manifest)

    def write(self, *manifests: Any) -> Path:
        file = self.directory / "manifest.yaml"
        file.write_text(yaml.safe_dump_all(manifests))
        return file


@pytest.fixture
def preview(cluster: SharedCluster, tmp_path: Path) -> Preview:
    return Preview(cluster, tmp_path)


@pytest.mark.parametrize(
    ("manifest", "expected"), [("devserver", DEVSERVER), ("user", USER), ("flavor", set())]
)
def test_every_example_can_be_previewed(
    preview: Preview, manifest: str, expected: set[tuple[str, str]]
) -> None:
    assert set(preview.created(f"examples/{manifest}.yaml")) == expected


def test_the_settings_in_the_checkout_stay_as_they_are(preview: Preview) -> None:
    before = SETTINGS.read_text()
    done = preview.pulumi("preview")
    assert "+ 7 to create" in done.stdout
    assert SETTINGS.read_text() == before


def test_the_plan_is_made_from_the_manifest_and_the_flavor_it_names(preview: Preview) -> None:
    flavor = preview.directory / "flavor.yaml"
    spec = {"resources": {"requests": {"cpu": "123m"}}}
    metadata = {"name": "preview-only"}
    flavor.write_text(
        yaml.safe_dump(
            {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": metadata, "spec": spec}
        )
    )
    manifest = preview.devserver("box", flavor="preview-only", running=False, home={"size": "1Gi"})

    created = preview.created(manifest, flavor=str(flavor))

    assert set(created) == {*DEVSERVER, ("kubernetes:core/v1:PersistentVolumeClaim", "home")}
    stateful_set = created["kubernetes:apps/v1:StatefulSet", "workload"]
    assert stateful_set["metadata"]["name"] == "box"
    assert stateful_set["spec"]["replicas"] == 0
    container = stateful_set["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"] == {"cpu": "123m"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"image": "a b", "colour": "red"}, ["spec.image", "spec.colour"]),
        ({"flavor": "nowhere"}, ["there is no DevServerFlavor 'nowhere'"]),
    ],
)
def test_a_spec_that_cannot_work_is_refused_with_the_field_named(
    preview: Preview, spec: dict[str, Any], expected: list[str]
) -> None:
    refusal = preview.refusal(preview.devserver("box", **spec))
    assert [text for text in expected if text in refusal] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "cannot be read"),
        ("", "it holds 0 documents"),
        ("{a: 1}\n---\n{b: 2}", "it holds 2 documents"),
        ("[]", "must hold one resource"),
        ("{apiVersion: v1, kind: Pod}", "kind DevServer or DevServerFlavor"),
        ("{apiVersion: devserver.io/v1, kind: [DevServer]}", "kind DevServer or DevServerFlavor"),
        ("{apiVersion: devserver.io/v1, kind: DevServer, metadata: box}", "metadata must hold a name"),
        ("{apiVersion: devserver.io/v1, kind: DevServer}", "metadata must hold a name"),
        (
            "{apiVersion: devserver.io/v1, kind: DevServer, metadata: {namespace: team}}",
            "metadata must hold a name",
        ),
        (
            "{apiVersion: devserver.io/v1, kind: DevServer, metadata: {name: box-ssh}}",
            "'box-ssh' cannot be the name of a DevServer",
        ),
    ],
)
def test_a_file_that_is_no_manifest_of_ours_is_refused_with_a_reason(
    tmp_path: Path, text: str, expected: str
) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(text)
    with pytest.raises(ManifestError, match=expected) as refusal:
        load(file, ["DevServer", "DevServerFlavor"])
    assert str(file) in str(refusal.value)


def test_an_object_of_someone_else_is_a_conflict(
    preview: Preview, cluster: SharedCluster, namespace: str
) -> None:
    cluster.kubectl("create", "configmap", "box-sshd", f"--namespace={namespace}")
    manifest = yaml.safe_load(preview.devserver("box").read_text())
    manifest["metadata"]["namespace"] = namespace
    refusal = preview.refusal(preview.write(manifest))
    assert f"ConfigMap {namespace}/box-sshd exists and was not made for this resource" in refusal


def test_plain_up_is_refused(preview: Preview) -> None:
    done = preview.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "for `pulumi preview`" in done.stdout
