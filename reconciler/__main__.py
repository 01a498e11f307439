"""`python -m reconciler`: run the reconciler. Settings are environment variables, see reconciler/settings.py."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from reconciler import log
from reconciler.app import run
from reconciler.cluster import ClusterError
from reconciler.engine import EngineError
from reconciler.settings import Settings


def main() -> int:
    """Exit code 0 after SIGTERM or Ctrl-C, 1 if it cannot run, 2 if a setting is wrong."""
    argparse.ArgumentParser(prog="python -m reconciler", description=__doc__).parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            print(f"DEVSERVER_{name}: {fault['msg']}", file=sys.stderr)
        return 2
    log.configure(settings)
    try:
        asyncio.run(run(settings))
    except (ClusterError, EngineError) as error:
        print(f"reconciler: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
