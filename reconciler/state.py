"""The state of every stack, kept in Kubernetes: one Secret per stack in the reconciler's own namespace.

A Secret is named after kind and uid, so a resource that is deleted and made again under its name has a state
of its own. It is written with a resourceVersion precondition: two writers never overwrite each other.

Before a run the Secret is marked with a claim (see term.py), and the checkpoint that the run leaves is written
without it. A claim that stays is of a run that was cut short: what the children look like is not known then.
"""

import base64
import gzip
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from crds import GROUP
from reconciler import checkpoint, metrics, reasons
from reconciler.checkpoint import Checkpoint, Recorded
from reconciler.cluster import Cluster, ClusterError, Object
from reconciler.errors import Stalled, Transient
from reconciler.locks import CutShort, runs_cut_short
from reconciler.queue import Key
from reconciler.resources import DEVSERVER, FLAVOR, SECRET, USER
from reconciler.state_problems import DATA, Problem, Unusable, diagnose, examine
from reconciler.term import RunClaim, Term, may_take, parse_claim, take
from stacks.metadata import MANAGED_BY_LABEL, MANAGER, Child

STATE_LABEL = f"{GROUP}/state"
STATE_SELECTOR = f"{STATE_LABEL}=checkpoint"
_KEY_ANNOTATION = f"{GROUP}/state-of"
_KINDS = frozenset(resource.kind for resource in (DEVSERVER, FLAVOR, USER))
_CLAIM_ANNOTATION = f"{GROUP}/run-claim"
# By the admission policy, of a write to an object without our label.
_NOT_OURS = "belongs to someone else"
# A Secret holds 1 MiB at most, its base64 and its metadata included.
MAX_BYTES = 700_000


@dataclass(frozen=True)
class StackId:
    """Which resource, in which life of it, a stack belongs to."""

    key: Key
    uid: str

    @property
    def stack(self) -> str:
        """Name of the Pulumi stack."""
        return f"{self.key.kind.lower()}-{self.uid}"

    @property
    def secret_name(self) -> str:
        """Name of the Secret that holds the checkpoint."""
        return f"state-{self.stack}"


@dataclass(frozen=True)
class StateRecord:
    """What is known of a stack's state without reading the whole of it.

    children is None if the state cannot be used, or no run has left one yet.
    claimed: a run began and has not ended. recorded: the children as the last run left them.
    packed_bytes: size of the checkpoint as it is stored.
    """

    id: StackId
    children: frozenset[Child] | None
    claimed: bool = False
    # Of the same content as children; a dict has no hash.
    recorded: Mapping[Child, Recorded] = field(default_factory=dict, compare=False)
    packed_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True)
class StoredState:
    """A checkpoint as it was read: an empty one if what was there could not be used, which `unusable` explains.

    resource_version is empty if there was no Secret yet.
    """

    checkpoint: Checkpoint
    resource_version: str
    unusable: Unusable | None = None
    claim: RunClaim | None = None

    @property
    def cut_short(self) -> tuple[CutShort, ...]:
        """Earlier leaders' runs that never ended, once the state is claimed."""
        return runs_cut_short(self.claim.earlier) if self.claim is not None else ()


def _claim_of(secret: Object) -> RunClaim | None:
    text = (secret["metadata"].get("annotations") or {}).get(_CLAIM_ANNOTATION)
    return None if text is None else parse_claim(text)


class Vault(Protocol):
    """An external backend, which holds the checkpoints; the Secrets hold outlines of them then."""

    async def fetch(self, stack: str) -> Checkpoint | Unusable:
        """The stack's checkpoint."""

    async def put(self, stack: str, checkpoint: Checkpoint) -> None:
        """Have the backend hold that checkpoint."""

    async def remove(self, stack: str, cut_short: Sequence[CutShort]) -> None:
        """Remove the stack, if it is there."""


@dataclass(frozen=True)
class StateStore:
    """Reads and writes checkpoints.

    namespace: the reconciler's own.
    salt: the encryption salt in use; a checkpoint of another one cannot be decrypted.
    term: the present one, for claims.
    vault: keeps the checkpoints, if the Secrets do not.
    """

    cluster: Cluster
    namespace: str
    salt: str
    term: Callable[[], Term]
    vault: Vault | None = None

    def record(self, secret: Object) -> StateRecord:
        """What a watched state Secret tells. Raises ValueError if it does not say whose state it is."""
        name, annotations = secret["metadata"]["name"], secret["metadata"].get("annotations") or {}
        described = json.loads(annotations.get(_KEY_ANNOTATION, "null"))
        if not isinstance(described, dict):
            raise ValueError(f"Secret {name} has no annotation {_KEY_ANNOTATION}")
        key = Key(described["kind"], described["namespace"], described["name"])
        if key.kind not in _KINDS:
            raise ValueError(f"Secret {name} is the state of a {key.kind}, which is no kind of ours")
        id = StackId(key, described["uid"])
        if name != id.secret_name:
            raise ValueError(f"Secret {name} is a copy of {id.secret_name}")
        found = diagnose(secret, id.stack, self.salt, outlines=self.vault is not None)
        claimed = _claim_of(secret) is not None
        # Base64 has four characters for three bytes.
        size = len((secret.get("data") or {}).get(DATA) or "") * 3 // 4
        if isinstance(found, Unusable):
            return StateRecord(id, None, claimed, packed_bytes=size)
        recorded = checkpoint.recorded(found)
        return StateRecord(id, frozenset(recorded), claimed, recorded, size)

    async def load(self, id: StackId) -> StoredState:
        """The stack's checkpoint, an empty one if there is none that can be used.

        Losing a checkpoint loses nothing: the next run adopts what exists under the explicit names.
        """
        secret = await self.cluster.get(SECRET, self.namespace, id.secret_name)
        found = await self._find(secret, id)
        stored = self.of_new(id)
        if secret is not None:
            stored = replace(
                stored, resource_version=secret["metadata"]["resourceVersion"], claim=_claim_of(secret)
            )
        if isinstance(found, Unusable):
            return replace(stored, unusable=found)
        return replace(stored, checkpoint=found)

    @staticmethod
    def of_new(id: StackId) -> StoredState:
        """What there is of a stack that no run was ever begun for. If there is more, the claim is refused."""
        return StoredState(checkpoint.empty(id.stack), "")

    async def claim(self, id: StackId, before: StoredState) -> StoredState:
        """Mark the state that was read before with a claim of ours, just before a run; save() takes it off.

        If the process dies meanwhile the mark stays, on a Secret without a checkpoint if there was none, so that
        the next pass knows of the run. Raises Transient if the claim of another holder stands or comes between.
        """
        term = self.term()
        if before.claim is not None and not may_take(before.claim, term):
            raise Transient(
                reasons.STATE_CONFLICT,
                f"Secret {id.secret_name} is claimed by {before.claim.holder} since {before.claim.since}. That is not "
                "an earlier leader, so its run may still go on; trying again.",
            )
        ours = take(before.claim, term, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        annotations = {_CLAIM_ANNOTATION: ours.text()}
        if before.resource_version:
            meta = {"resourceVersion": before.resource_version, "annotations": annotations}
            write = self.cluster.patch(SECRET, self.namespace, id.secret_name, {"metadata": meta})
        else:
            body = self._secret(id, None, "")
            body["metadata"]["annotations"] |= annotations
            write = self.cluster.create(SECRET, body)
        secret = await self._written(id, write)
        return replace(before, resource_version=secret["metadata"]["resourceVersion"], claim=ours)

    async def save(
        self, id: StackId, new: Checkpoint, before: StoredState, left: Checkpoint | None = None
    ) -> Object:
        """Write a checkpoint in place of the one that was read before, without its claim; returns the Secret.

        left: what the run left in an external backend, if that may be another one.
        Raises Transient if someone else wrote it meanwhile, Stalled if it does not fit into a Secret.
        """
        if self.vault is not None and left not in (None, new):
            await self.vault.put(id.stack, new)
        kept = new if self.vault is None else checkpoint.outline(new)
        packed = gzip.compress(kept, mtime=0)
        if len(packed) > MAX_BYTES:
            metrics.state_problem(Problem.TOO_LARGE)
            raise Stalled(
                reasons.STATE_TOO_LARGE,
                f"The stack's state has {len(packed)} bytes, more than the {MAX_BYTES} that a Secret can hold; "
                "make the spec smaller (fewer env entries).",
            )
        body = self._secret(id, base64.b64encode(packed).decode(), before.resource_version)
        write = self.cluster.replace if before.resource_version else self.cluster.create
        return await self._written(id, write(SECRET, body))

    async def delete(self, id: StackId, stored: StoredState) -> None:
        """Remove the stack's state, wherever it is."""
        if self.vault is not None:
            await self.vault.remove(id.stack, stored.cut_short)
        secret = await self.cluster.get(SECRET, self.namespace, id.secret_name)
        if secret is not None:
            await self.cluster.delete(SECRET, self.namespace, id.secret_name, secret["metadata"]["uid"])

    async def _find(self, secret: Object | None, id: StackId) -> Checkpoint | Unusable:
        if self.vault is None:
            return diagnose(secret, id.stack, self.salt)
        found = await self.vault.fetch(id.stack)
        if isinstance(found, Unusable):
            return found
        found = examine(found, id.stack, self.salt)
        return found if isinstance(found, Unusable) else checkpoint.settled(found)

    @staticmethod
    async def _written(id: StackId, write: Awaitable[Object]) -> Object:
        """The answer to a write with a precondition. Raises Transient if that was not met."""
        try:
            return await write
        except ClusterError as error:
            if error.status in (404, 409):
                metrics.state_problem(Problem.CONFLICT)
                raise Transient(
                    reasons.STATE_CONFLICT,
                    f"Secret {id.secret_name} was changed by someone else; trying again.",
                ) from error
            if error.status == 403 and _NOT_OURS in error.message:
                raise Stalled(
                    reasons.NAME_CONFLICT,
                    f"Secret {id.secret_name} in the operator's namespace has lost the label {MANAGED_BY_LABEL}, so "
                    "the operator may not change it. Put the label back or delete that Secret.",
                ) from error
            raise

    def _secret(self, id: StackId, data: str | None, resource_version: str) -> Object:
        described = {**id.key._asdict(), "uid": id.uid}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "devserver.io/pulumi-state",
            "metadata": {
                "name": id.secret_name,
                "namespace": self.namespace,
                "labels": {MANAGED_BY_LABEL: MANAGER, STATE_LABEL: "checkpoint"},
                "annotations": {_KEY_ANNOTATION: json.dumps(described)},
                **({"resourceVersion": resource_version} if resource_version else {}),
            },
            **({"data": {DATA: data}} if data is not None else {}),
        }
