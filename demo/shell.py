"""The environment for a person's shell: `eval "$(make -s env)"`, then kubectl and plain pulumi work."""

import os
import shlex
import sys
from pathlib import Path

import toolchain
from demo.target import Target
from reconciler.state import checkpoint

STACK = "dev"
# Known to everyone: it protects host keys that are thrown away after each preview. The salt for it is in
# Pulumi.dev.yaml.
PASSPHRASE = "preview"


def exports(target: Target) -> dict[str, str]:
    """The variables by name; PATH holds what is to be put before the present one.

    Raises LocalClusterError without a local cluster, ToolMissing without the tools.
    """
    backend = toolchain.cache_dir() / "preview-backend"
    kubeconfig = target.kubeconfig()
    _reset_stack(backend)
    return {
        "PATH": f"{toolchain.bin_dir()}{os.pathsep}{Path(sys.executable).parent}",
        **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
        "PULUMI_HOME": str(toolchain.pulumi_home()),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_STACK": STACK,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "1",
        # The CLI writes a log for every command and has no switch to turn that off.
        "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "10",
        "PULUMI_LOG_ROTATION_MAX_AGE_DAYS": "1",
    }


def print_exports(target: Target) -> None:
    """Print them as a POSIX shell reads them."""
    for name, value in exports(target).items():
        before = f'{os.pathsep}"$PATH"' if name == "PATH" else ""
        print(f"export {name}={shlex.quote(value)}{before}")


def _reset_stack(backend: Path) -> None:
    """Have the stack in the backend, and empty: a preview shows all that there is. (It needs no `stack init`.)"""
    state = backend / ".pulumi" / "stacks" / checkpoint.PROJECT / f"{STACK}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    (backend / ".pulumi" / "meta.yaml").write_text("version: 1\n")
    draft = state.with_suffix(".new")
    draft.write_bytes(checkpoint.empty(STACK))
    draft.replace(state)
