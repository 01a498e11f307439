"""The passphrase and the encryption salt of all stacks: one Secret, made once, never changed.

Keys that are lost cost nothing but runs: checkpoints that were encrypted with them count as unusable, and each
stack is rebuilt by adoption. So a Secret that is damaged is replaced, and one that was deleted is made anew.
"""

import asyncio
import base64
import hashlib
import secrets

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crds import GROUP
from reconciler import metrics, reasons
from reconciler.cluster import Cluster, ClusterError, Object
from reconciler.engine import Engine, Keys
from reconciler.events import Recorder
from reconciler.resources import SECRET
from reconciler.state_problems import Problem
from reconciler.world import is_managed
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

SECRET_NAME = "engine-keys"
_log = structlog.get_logger()
# Each try ends with a good Secret unless someone else writes between our requests.
_TRIES = 5
# As Pulumi derives its key.
_PBKDF2_ROUNDS = 1_000_000


async def load_or_make_keys(cluster: Cluster, engine: Engine, namespace: str, recorder: Recorder) -> Keys:
    """The keys of the cluster's one Secret; whoever creates it first wins."""
    for _ in range(_TRIES):
        secret = await cluster.get(SECRET, namespace, SECRET_NAME)
        if secret is None:
            secret = await _make(cluster, engine, namespace)
        if secret is None:
            continue
        keys = _keys_in(secret)
        if keys is not None and await asyncio.to_thread(fit, keys):
            return keys
        if not is_managed(secret):
            raise ClusterError(
                0,
                "Invalid",
                f"Secret {namespace}/{SECRET_NAME} holds no usable keys, and the operator may not replace it, because "
                f"it lacks the label {MANAGED_BY_LABEL}={MANAGER}: restore the Secret or delete it",
            )
        metrics.state_problem(Problem.ENGINE_KEYS)
        _log.error("engine keys damaged, making new ones", secret=f"{namespace}/{SECRET_NAME}")
        note = (
            "The passphrase or the salt in this Secret was damaged, so new ones were made. Stored states cannot be "
            "decrypted any more; each stack adopts its children again, and nothing is lost."
        )
        await recorder.record(secret, "Warning", reasons.ENGINE_KEYS_REPLACED, note)
        await cluster.delete(SECRET, namespace, SECRET_NAME, secret["metadata"]["uid"])
    raise ClusterError(
        0, "Contested", f"someone else changes Secret {namespace}/{SECRET_NAME} again and again"
    )


def fit(keys: Keys) -> bool:
    """Whether the salt was made for the passphrase: it holds the word "pulumi", encrypted.

    The engine would fail every run otherwise. Takes 0.2 s of computing.
    """
    version, _, rest = keys.salt.partition(":")
    salt, _, encrypted = rest.partition(":")
    inner_version, _, box = encrypted.partition(":")
    nonce, _, ciphertext = box.partition(":")
    if (version, inner_version) != ("v1", "v1"):
        return False
    try:
        key = hashlib.pbkdf2_hmac("sha256", keys.passphrase.encode(), _bytes(salt), _PBKDF2_ROUNDS, 32)
        return AESGCM(key).decrypt(_bytes(nonce), _bytes(ciphertext), None) == b"pulumi"
    except (ValueError, InvalidTag):
        return False


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


async def _make(cluster: Cluster, engine: Engine, namespace: str) -> Object | None:
    """The new Secret; None if someone else made one first."""
    passphrase = secrets.token_urlsafe(32)
    keys = Keys(passphrase, await engine.make_salt(passphrase))
    try:
        return await cluster.create(SECRET, _secret(namespace, keys))
    except ClusterError as error:
        if error.status == 409:
            return None
        raise


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


def _keys_in(secret: Object) -> Keys | None:
    """What the Secret holds; None if that cannot be a passphrase and a salt."""
    data = secret.get("data") or {}
    try:
        passphrase, salt = (_bytes(data[name]).decode() for name in ("passphrase", "encryptionsalt"))
    except (KeyError, ValueError):
        return None
    return Keys(passphrase, salt) if passphrase else None
