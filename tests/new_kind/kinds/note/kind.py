"""The kind DevServerNote: what the loop asks of it. (docs/new-kind.md, step 3.)"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from crds.resources import CHILD_RESOURCES, DEVSERVER, SERVICE_ACCOUNT
from reconciler.controller.kind import Kind
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Key, Object, Store
from reconciler.kube.watch import WatchSpec
from reconciler.settings import Settings
from reconciler.status.conditions import ConditionState, StatusPatch
from stacks.declarations import Program
from tests.new_kind.crds.note import NOTE, DevServerNote
from tests.new_kind.kinds.note.inputs import note_inputs
from tests.new_kind.stacks import note
from tests.new_kind.stacks.note import DevServerNoteInputs

READ = "Read"


class NoteKind(Kind[DevServerNote, DevServerNoteInputs]):
    """DevServerNotes: texts for everyone in a namespace."""

    resource = NOTE
    model = DevServerNote
    child_resources = (CHILD_RESOURCES["v1", "ConfigMap"],)

    def __init__(self, cache: Cache, settings: Settings, cluster_id: str) -> None:
        super().__init__(cache, settings, cluster_id)
        self._accounts: Store = {}

    def inputs(self, resource: Object, model: DevServerNote, now: datetime) -> DevServerNoteInputs:
        """See inputs.py."""
        return note_inputs(self._accounts, self.cluster_id, resource, model)

    def program(self, inputs: DevServerNoteInputs) -> Program:
        """See stacks/note.py."""
        return note.program(inputs)

    def fields(self, inputs: DevServerNoteInputs) -> Mapping[str, Any]:
        """How long the text is."""
        return {"length": len(inputs.text)}

    def conditions(
        self, resource: Object, model: DevServerNote | None, ends: datetime | None, now: datetime
    ) -> StatusPatch:
        """Whether anyone has a DevServer in the namespace, and so reads the note."""
        namespace = resource["metadata"]["namespace"]
        readers = sum(where == namespace for where, _ in self.cache.resources[DEVSERVER.kind])
        if readers == 0:
            return StatusPatch(conditions={READ: None})
        message = f"DevServers in the namespace: {readers}."
        return StatusPatch(conditions={READ: ConditionState(READ, "True", "HasReaders", message)})

    def watches(self) -> Iterable[WatchSpec]:
        """Who may be an author, and who reads."""
        yield WatchSpec(
            SERVICE_ACCOUNT, (self._changed,), name="authors", transform=_only_the_name, store=self._accounts
        )
        yield WatchSpec(DEVSERVER, (self._changed,))

    def _changed(self, old: Object | None, new: Object | None) -> Iterator[Key]:
        """An object came or went: it concerns all notes of its namespace."""
        if old is not None and new is not None:
            return
        namespace = (new or old or {})["metadata"]["namespace"]
        for where, name in self.cache.resources[NOTE.kind]:
            if where == namespace:
                yield Key(NOTE.kind, where, name)


def _only_the_name(account: Object) -> Object:
    meta = account["metadata"]
    return {
        "metadata": {
            name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in meta
        }
    }
