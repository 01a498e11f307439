"""The state of every stack, kept in Kubernetes: one Secret per stack in the reconciler's own namespace.

A Secret is named after kind and uid. So a resource that is deleted and made again under its name has a state of its
own. Every write has a resourceVersion as its precondition, so that two writers never overwrite each other.

Before a run the Secret is marked with a claim (see run_claim.py). The checkpoint that the run leaves is written
without the claim. A claim that stays is that of a run that was cut short: nobody knows what its children look like.
"""

import base64
import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from crds import GROUP
from crds.resources import SECRET
from crds.times import format_time
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Key, Object, annotations
from reconciler.state import checkpoint as checkpoints
from reconciler.state import metrics
from reconciler.state.checkpoint import Checkpoint
from reconciler.state.diagnosis import DATA, Problem, Unusable, diagnose, examine
from reconciler.state.run_claim import CutShort, RunClaim, Term, may_take, parse_claim, runs_cut_short, take
from reconciler.status import reasons
from reconciler.status.errors import StalledError, TransientError
from stacks.metadata import MANAGED_BY_LABEL, MANAGER

STATE_LABEL = f"{GROUP}/state"
STATE_SELECTOR = f"{STATE_LABEL}=checkpoint"
_KEY_ANNOTATION = f"{GROUP}/state-of"
_CLAIM_ANNOTATION = f"{GROUP}/run-claim"
# In the admission policy's answer to a write to an object without our label.
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

    @classmethod
    def of_secret(cls, secret: Object) -> "StackId":
        """The stack whose state the Secret says that it is. Raises ValueError or KeyError if it does not say."""
        described = json.loads(annotations(secret).get(_KEY_ANNOTATION, "null"))
        if not isinstance(described, dict):
            raise ValueError(f"Secret {secret['metadata']['name']} has no annotation {_KEY_ANNOTATION}")
        key = Key(described["kind"], described["namespace"], described["name"])
        return cls(key, described["uid"])


@dataclass(frozen=True)
class StoredState:
    """A stack's state as it was read.

    checkpoint: an empty one if the stored one could not be used; `unusable` says why.
    resource_version: of the Secret, empty if there was none.
    """

    checkpoint: Checkpoint
    resource_version: str
    unusable: Unusable | None = None
    claim: RunClaim | None = None

    @property
    def cut_short(self) -> tuple[CutShort, ...]:
        """The runs of earlier leaders that never ended, once the state is claimed."""
        return runs_cut_short(self.claim.earlier) if self.claim is not None else ()


def claim_of(secret: Object) -> RunClaim | None:
    """The claim that a state Secret is marked with."""
    text = annotations(secret).get(_CLAIM_ANNOTATION)
    return None if text is None else parse_claim(text)


class CheckpointStore(Protocol):
    """An external backend that holds the checkpoints. The Secrets hold only outlines of them then."""

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
    term: returns the present term of the Lease, for claims.
    external: holds the checkpoints, if the Secrets do not.
    """

    client: Client
    namespace: str
    salt: str
    term: Callable[[], Term]
    external: CheckpointStore | None = None

    async def load(self, id: StackId) -> StoredState:
        """The stack's state, with an empty checkpoint if there is none that can be used.

        A lost checkpoint does no harm: the next run adopts what exists under the explicit names.
        """
        secret = await self.client.get(SECRET, self.namespace, id.secret_name)
        found = await self._find(secret, id)
        stored = self.of_new(id)
        if secret is not None:
            stored = replace(
                stored, resource_version=secret["metadata"]["resourceVersion"], claim=claim_of(secret)
            )
        if isinstance(found, Unusable):
            return replace(stored, unusable=found)
        return replace(stored, checkpoint=found)

    @staticmethod
    def of_new(id: StackId) -> StoredState:
        """The state of a stack that never had a run. If there is one after all, the claim is refused."""
        return StoredState(checkpoints.empty(id.stack), "")

    async def claim(self, id: StackId, stored: StoredState) -> StoredState:
        """Mark the state with a claim of ours, just before a run. save() removes the claim.

        If the process dies meanwhile the claim stays, on a Secret without a checkpoint if there was none. So the next
        pass knows of the run. Raises TransientError if another holder has a claim, or was faster.
        """
        term = self.term()
        if stored.claim is not None and not may_take(stored.claim, term):
            raise TransientError(
                reasons.STATE_CONFLICT,
                f"Secret {id.secret_name} is claimed by {stored.claim.holder} since {stored.claim.since}. That is not "
                "an earlier leader, so its run may still go on; trying again.",
            )
        ours = take(stored.claim, term, format_time(datetime.now(UTC)))
        mark = {_CLAIM_ANNOTATION: ours.text()}
        if stored.resource_version:
            meta = {"resourceVersion": stored.resource_version, "annotations": mark}
            write = self.client.patch(SECRET, self.namespace, id.secret_name, {"metadata": meta})
        else:
            body = self._secret(id, None, "")
            body["metadata"]["annotations"] |= mark
            write = self.client.create(SECRET, body)
        secret = await self._written(id, write)
        return replace(stored, resource_version=secret["metadata"]["resourceVersion"], claim=ours)

    async def save(
        self,
        id: StackId,
        checkpoint: Checkpoint,
        stored: StoredState,
        after_run: Checkpoint | None = None,
    ) -> Object:
        """Write a checkpoint in place of the stored one, without a claim. Returns the Secret.

        after_run: the checkpoint that the run left in an external backend, if it may be another one.
        Raises TransientError if someone else wrote it meanwhile, StalledError if it does not fit into a Secret.
        """
        if self.external is not None and after_run not in (None, checkpoint):
            await self.external.put(id.stack, checkpoint)
        if self.external is not None:
            checkpoint = checkpoints.outline(checkpoint)
        packed = gzip.compress(checkpoint, mtime=0)
        if len(packed) > MAX_BYTES:
            metrics.state_problem(Problem.TOO_LARGE)
            raise StalledError(
                reasons.STATE_TOO_LARGE,
                f"The stack's state has {len(packed)} bytes, more than the {MAX_BYTES} that a Secret can hold; "
                "make the spec smaller (fewer env entries).",
            )
        body = self._secret(id, base64.b64encode(packed).decode(), stored.resource_version)
        write = self.client.replace if stored.resource_version else self.client.create
        return await self._written(id, write(SECRET, body))

    async def delete(self, id: StackId, stored: StoredState) -> None:
        """Remove the stack's state, wherever it is."""
        if self.external is not None:
            await self.external.remove(id.stack, stored.cut_short)
        secret = await self.client.get(SECRET, self.namespace, id.secret_name)
        if secret is not None:
            await self.client.delete(SECRET, self.namespace, id.secret_name, secret["metadata"]["uid"])

    async def _find(self, secret: Object | None, id: StackId) -> Checkpoint | Unusable:
        if self.external is None:
            return diagnose(secret, id.stack, self.salt)
        found = await self.external.fetch(id.stack)
        if isinstance(found, Unusable):
            return found
        found = examine(found, id.stack, self.salt)
        return found if isinstance(found, Unusable) else checkpoints.settled(found)

    @staticmethod
    async def _written(id: StackId, write: Awaitable[Object]) -> Object:
        """The answer to a write. Raises TransientError if its precondition was not met."""
        try:
            return await write
        except ApiError as error:
            if error.status in (404, 409):
                metrics.state_problem(Problem.CONFLICT)
                raise TransientError(
                    reasons.STATE_CONFLICT,
                    f"Secret {id.secret_name} was changed by someone else; trying again.",
                ) from error
            if error.status == 403 and _NOT_OURS in error.message:
                raise StalledError(
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
