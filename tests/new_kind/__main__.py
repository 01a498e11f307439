"""`python -m tests.new_kind`: the operator with one kind more. (docs/new-kind.md, step 4.)"""

import sys

from reconciler.app import run_until_end
from reconciler.kinds.registry import KINDS
from reconciler.settings import Settings
from reconciler.telemetry import log
from tests.new_kind.kinds.note.kind import NoteKind

if __name__ == "__main__":
    settings = Settings()
    log.configure(settings)
    # NoteKind is the one line in the registry.
    sys.exit(run_until_end(settings, (*KINDS, NoteKind)))
