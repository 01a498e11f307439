"""The passphrase and the encryption salt of all stacks: one Secret, made once, never changed.

Lost keys cost nothing but runs. Checkpoints that were encrypted with them count as unusable, and each stack is
rebuilt by adoption. So a damaged Secret is replaced, and a deleted one is made anew.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crds.resources import SECRET
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Object, is_managed
from reconciler.kube.recorder import Recorder
from reconciler.state import metrics
from reconciler.state.diagnosis import Problem
from reconciler.state.store import STATE_LABEL
from reconciler.status import reasons
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

SECRET_NAME = "engine-keys"
_log = structlog.get_logger()
# One try is enough unless someone else writes between our requests.
_TRIES = 5
# As Pulumi derives its key:
# https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/config/crypt.go
_PBKDF2_ROUNDS = 1_000_000

# Makes an encryption salt for a passphrase.
MakeSalt = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class Keys:
    """What Pulumi encrypts secrets in checkpoints with. salt: value of `encryptionsalt`, made for passphrase."""

    passphrase: str = field(repr=False)
    salt: str


async def load_or_make_keys(
    client: Client,
    make_salt: MakeSalt,
    namespace: str,
    recorder: Recorder,
    make_passphrase: Callable[[], str] = lambda: secrets.token_urlsafe(32),
) -> Keys:
    """The keys in the cluster's one Secret. Whoever creates it first wins.

    Raises ApiError if the Secret is damaged and may not be replaced, or if someone else keeps writing it.
    """
    for _ in range(_TRIES):
        secret = await client.get(SECRET, namespace, SECRET_NAME)
        if secret is None:
            passphrase = make_passphrase()
            keys = Keys(passphrase, await make_salt(passphrase))
            secret = await _created(client, namespace, keys)
        if secret is None:
            continue
        found = _keys_in(secret)
        if found is not None and await asyncio.to_thread(fit, found):
            return found
        if not is_managed(secret):
            raise ApiError(
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
        await client.delete(SECRET, namespace, SECRET_NAME, secret["metadata"]["uid"])
    raise ApiError(0, "Contested", f"someone else changes Secret {namespace}/{SECRET_NAME} again and again")


def fit(keys: Keys) -> bool:
    """Whether the salt was made for the passphrase. If not, every run would fail. Takes 0.2 s of computing.

    The salt holds the word "pulumi", encrypted:
    https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/secrets/passphrase/manager.go
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


async def _created(client: Client, namespace: str, keys: Keys) -> Object | None:
    """The new Secret; None if someone else made one first."""
    try:
        return await client.create(SECRET, _secret(namespace, keys))
    except ApiError as error:
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
            "labels": {MANAGED_BY_LABEL: MANAGER, STATE_LABEL: "keys"},
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
