"""From a DevServerNote to the inputs of its program. Pure. (docs/new-kind.md, step 3.)"""

from reconciler.kube.objects import Object, Store, owner_of
from reconciler.status.errors import WaitingError
from tests.new_kind.crds.note import DevServerNote
from tests.new_kind.stacks.note import DevServerNoteInputs

# In reconciler/status/reasons.py.
AUTHOR_NOT_FOUND = "AuthorNotFound"


def note_inputs(
    accounts: Store, cluster_id: str, resource: Object, note: DevServerNote
) -> DevServerNoteInputs:
    """Inputs of a DevServerNote's program.

    accounts: all ServiceAccounts. resource, note: as it is watched and as it was parsed. Raises WaitingError while
    the author does not exist.
    """
    owner, spec = owner_of(resource), note.spec
    if (owner.namespace, spec.author) not in accounts:
        raise WaitingError(
            AUTHOR_NOT_FOUND, f"spec.author: there is no ServiceAccount {spec.author} in {owner.namespace}."
        )
    return DevServerNoteInputs(owner, spec.text, spec.author, cluster_id)
