"""The manifests that the demo applies."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
# Relative to the checkout, where kubectl runs.
DEFINITIONS = "crds/manifests"
INSTALLATION = (
    "deploy/namespace.yaml",
    "deploy/roles.yaml",
    "deploy/admission.yaml",
    "deploy/priority.yaml",
    DEFINITIONS,
)
EXAMPLES = ("examples/flavor.yaml", "examples/user.yaml", "examples/devserver.yaml")
FLAVOR, USER, DEVSERVER = EXAMPLES
SYSTEM_NAMESPACE = "devserver-system"
RECONCILER = "devserver-reconciler"


def example() -> dict[str, Any]:
    """The example of a DevServer."""
    manifest: dict[str, Any] = yaml.safe_load((ROOT / DEVSERVER).read_text())
    return manifest


def devserver(
    public_key: str, image: str | None, name: str | None = None, time_to_live: str | None = None
) -> dict[str, Any]:
    """The example with the given values in place of its own."""
    manifest = example()
    manifest["spec"]["ssh"]["publicKey"] = public_key
    if image:
        manifest["spec"]["image"] = image
    if name:
        manifest["metadata"]["name"] = name
    if time_to_live:
        manifest["spec"]["lifecycle"]["timeToLive"] = time_to_live
    return manifest
