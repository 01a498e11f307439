"""The stack of a DevServerNote: a ConfigMap. (A program of the tests: docs/new-kind.md, step 2.)"""

from dataclasses import dataclass

from stacks.declarations import Declaration, Program
from stacks.metadata import Child, Owner, owned


@dataclass(frozen=True)
class DevServerNoteInputs:
    """All that the program depends on."""

    owner: Owner
    text: str
    author: str
    cluster_id: str


def config_map_of(owner: Owner) -> Child:
    """The object that holds the note."""
    return Child("v1", "ConfigMap", owner.namespace, f"{owner.name}-note")


def program(inputs: DevServerNoteInputs) -> Program:
    """What the stack of the note is to hold."""
    data = {"text": inputs.text, "author": inputs.author}
    note = Declaration("note", owned(inputs.owner, config_map_of(inputs.owner), data=data))
    return Program(inputs.cluster_id, (note,), {"configMap": note.child.name})
