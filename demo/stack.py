"""A DevServer's Pulumi stack, as Pulumi itself shows it from the state that lies in the cluster."""

import base64
import gzip
import subprocess
import tempfile
from pathlib import Path

import toolchain
from demo.errors import DemoError
from demo.kubectl import Kubectl
from reconciler.state import encryption_keys as engine_keys
from reconciler.state.checkpoint import PROJECT

_CHECKPOINT = "checkpoint.json.gz"
_TIMEOUT_S = 60


def resources(kubectl: Kubectl, namespace: str, stack: str) -> str:
    """What `pulumi stack` says of the resources of a stack whose state lies in `namespace`. Raises DemoError."""
    state = gzip.decompress(_file(kubectl, namespace, f"state-{stack}", _CHECKPOINT))
    passphrase = _file(kubectl, namespace, engine_keys.SECRET_NAME, "passphrase").decode()
    with tempfile.TemporaryDirectory() as directory:
        backend = Path(directory, ".pulumi")
        state_file = backend / "stacks" / PROJECT / f"{stack}.json"
        state_file.parent.mkdir(parents=True)
        state_file.write_bytes(state)
        (backend / "meta.yaml").write_text("version: 1\n")
        Path(directory, "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        environment = {
            "PATH": str(toolchain.bin_dir()),
            "HOME": directory,
            "PULUMI_HOME": f"{directory}/home",
            "PULUMI_BACKEND_URL": f"file://{directory}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_CONFIG_PASSPHRASE": passphrase,
        }
        command = [
            str(toolchain.binary("pulumi")),
            "stack",
            "--non-interactive",
            "--color=never",
            "--stack",
            stack,
        ]
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    if done.returncode != 0:
        raise DemoError(f"pulumi stack: {done.stderr.strip()}")
    # The outputs follow after an empty line.
    return done.stdout.partition("\n\n")[0]


def _file(kubectl: Kubectl, namespace: str, secret: str, name: str) -> bytes:
    found = kubectl.find("secret", secret, namespace)
    if found is None:
        raise DemoError(f"there is no Secret {namespace}/{secret}, which the reconciler should have made")
    return base64.b64decode(found["data"][name])
