"""The passphrase and the encryption salt of all stacks: one Secret, made once, never changed."""

import base64
import secrets

from crds import GROUP
from reconciler.cluster import SECRET, Cluster, ClusterError, Object
from reconciler.engine import Engine, Keys
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

SECRET_NAME = "engine-keys"


async def load_or_make_keys(cluster: Cluster, engine: Engine, namespace: str) -> Keys:
    """The keys of the cluster's one Secret; whoever creates it first wins."""
    secret = await cluster.get(SECRET, namespace, SECRET_NAME)
    if secret is None:
        passphrase = secrets.token_urlsafe(32)
        keys = Keys(passphrase, await engine.make_salt(passphrase))
        try:
            secret = await cluster.create(SECRET, _secret(namespace, keys))
        except ClusterError as error:
            if error.status != 409:
                raise
            secret = await cluster.get(SECRET, namespace, SECRET_NAME)
    if secret is None:
        raise ClusterError(0, "Gone", f"Secret {namespace}/{SECRET_NAME} vanished while it was read")
    return Keys(_text(secret, "passphrase"), _text(secret, "encryptionsalt"))


def _secret(namespace: str, keys: Keys) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET_NAME,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER, f"{GROUP}/state": "keys"},
        },
        "immutable": True,
        "stringData": {"passphrase": keys.passphrase, "encryptionsalt": keys.salt},
    }


def _text(secret: Object, name: str) -> str:
    try:
        return base64.b64decode(secret["data"][name]).decode()
    except (KeyError, ValueError) as error:
        raise ClusterError(
            0, "Invalid", f"Secret {SECRET_NAME} has no usable {name}: restore it, or delete it to start anew"
        ) from error
