"""DevServerNote: a text for everyone in a namespace. (A kind of the tests: docs/new-kind.md, step 1.)"""

from typing import Annotated

from pydantic import Field

from crds.base import CommonStatus, CustomResource, Spec
from crds.fields import DnsLabel
from crds.resources import API_VERSION, Resource
from crds.rules import Rule
from crds.schema import AGE, READY, REASON, column, definition

# In crds/resources.py.
NOTE = Resource(API_VERSION, "DevServerNote", "devservernotes")


class DevServerNoteSpec(Spec):
    """A text and who says it."""

    text: Annotated[
        str,
        Field(max_length=1000, description="What the note says."),
        Rule("self.trim() != ''", "a note must say something", lambda text: text.strip() != ""),
    ]
    author: Annotated[
        DnsLabel,
        Field(description="Name of the ServiceAccount that says it. The note waits until it exists."),
    ]


class DevServerNoteStatus(CommonStatus):
    """The state of the note, as the operator last saw it."""

    length: Annotated[int, Field(ge=0, description="Number of characters of the text.")] | None = None


class DevServerNote(CustomResource):
    """A text for everyone in a namespace."""

    spec: DevServerNoteSpec
    status: DevServerNoteStatus = DevServerNoteStatus()


# In definitions() of crds/schema.py.
DEFINITION = definition(
    DevServerNote,
    NOTE,
    "dvsn",
    columns=(column("Author", ".spec.author"), READY, REASON, AGE),
)
