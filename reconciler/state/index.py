"""What is known of all stacks' states without a request, from the watch of the state Secrets."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog

from crds.resources import SECRET
from reconciler.kube.objects import Key, Object
from reconciler.kube.watch import WatchSpec
from reconciler.state import checkpoint as checkpoints
from reconciler.state.checkpoint import Recorded
from reconciler.state.diagnosis import DATA, Unusable, diagnose
from reconciler.state.store import STATE_SELECTOR, StackId, claim_of
from stacks.metadata import Child

_log = structlog.get_logger()


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


class StateIndex:
    """The records of all states, by the key of the resource and by uid: of its present life and of earlier ones.

    kinds: of the resources that have stacks. salt: the encryption salt in use. outlines: whether the Secrets hold
    outlines, because an external backend holds the checkpoints.
    """

    def __init__(self, kinds: Collection[str], salt: str, outlines: bool = False) -> None:
        self._kinds = kinds
        self._salt = salt
        self._outlines = outlines
        self._records: dict[Key, dict[str, StateRecord]] = {}

    def of(self, key: Key) -> Mapping[str, StateRecord]:
        """The states of the resources that have or had this key, by uid."""
        return self._records.get(key, {})

    @property
    def packed_bytes(self) -> int:
        """The size of all states together, as they are stored."""
        return sum(record.packed_bytes for lives in self._records.values() for record in lives.values())

    def watch_spec(self, namespace: str) -> WatchSpec:
        """What is to be watched to keep the index. namespace: the operator's own, where the states lie."""

        def handler(old: Object | None, new: Object | None) -> tuple[Key, ...]:
            key = self.changed(old, new)
            return () if key is None else (key,)

        return WatchSpec(SECRET, (handler,), selector=STATE_SELECTOR, namespace=namespace, name="states")

    def changed(self, old: Object | None, new: Object | None) -> Key | None:
        """Take up a change of a state Secret; the key of the resource that it concerns.

        None if the Secret does not say whose state it is, which is logged. Takes the data out of `new`, which the
        watch keeps: the record says all that is needed, and checkpoints are large.
        """
        secret = new or old
        assert secret is not None
        try:
            record = self.record(secret)
        except (ValueError, KeyError) as error:
            _log.warning("unreadable state Secret", secret=secret["metadata"]["name"], error=str(error))
            return None
        key, uid = record.id.key, record.id.uid
        if new is not None:
            self._records.setdefault(key, {})[uid] = record
            new.pop("data", None)
            return key
        lives = self._records.get(key, {})
        lives.pop(uid, None)
        if not lives:
            self._records.pop(key, None)
        return key

    def record(self, secret: Object) -> StateRecord:
        """What a state Secret says. Raises ValueError or KeyError if it does not say whose state it is."""
        id, name = StackId.of_secret(secret), secret["metadata"]["name"]
        if id.key.kind not in self._kinds:
            raise ValueError(f"Secret {name} is the state of a {id.key.kind}, which is no kind of ours")
        if name != id.secret_name:
            raise ValueError(f"Secret {name} is a copy of {id.secret_name}")
        found = diagnose(secret, id.stack, self._salt, self._outlines)
        claimed = claim_of(secret) is not None
        # Base64 has four characters for three bytes.
        size = len((secret.get("data") or {}).get(DATA) or "") * 3 // 4
        if isinstance(found, Unusable):
            return StateRecord(id, None, claimed, packed_bytes=size)
        recorded = checkpoints.recorded(found)
        return StateRecord(id, frozenset(recorded), claimed, recorded, size)
