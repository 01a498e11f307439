"""`python -m reconciler`: run the reconciler. Settings are environment variables, see reconciler/settings.py."""

import argparse
import sys

from pydantic import ValidationError

from reconciler import gc_tuning as garbage
from reconciler.settings import Settings
from reconciler.telemetry import log


def main() -> int:
    """Exit code 0 after SIGTERM or Ctrl-C, 1 if it cannot run or lost the Lease, 2 if a setting is wrong."""
    argparse.ArgumentParser(prog="python -m reconciler", description=__doc__).parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            # A message about several settings together names them itself.
            message = fault["msg"].removeprefix("Value error, ")
            print(f"DEVSERVER_{name}: {message}" if name else message, file=sys.stderr)
        return 2
    log.configure(settings)
    garbage.load_quietly()
    # This import takes a second. Someone who mistyped a setting gets the message before that.
    from reconciler import app

    return app.run_until_end(settings)


if __name__ == "__main__":
    sys.exit(main())
