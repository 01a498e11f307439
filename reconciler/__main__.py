"""`python -m reconciler`: run the reconciler. Settings are environment variables, see reconciler/settings.py."""

import argparse
import asyncio
import sys
from collections.abc import Iterator

from pydantic import ValidationError

from reconciler import log
from reconciler.app import run
from reconciler.cluster import ClusterError
from reconciler.engine import EngineError
from reconciler.leader import LeaseLost
from reconciler.serving import ServerError
from reconciler.settings import Settings


def main() -> int:
    """Exit code 0 after SIGTERM or Ctrl-C, 1 if it cannot run or leads no more, 2 if a setting is wrong."""
    argparse.ArgumentParser(prog="python -m reconciler", description=__doc__).parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            # What is said of several settings together names them itself.
            message = fault["msg"].removeprefix("Value error, ")
            print(f"DEVSERVER_{name}: {message}" if name else message, file=sys.stderr)
        return 2
    log.configure(settings)
    code = 0
    try:
        asyncio.run(run(settings))
    except* (ClusterError, EngineError, ServerError, LeaseLost) as group:
        for cause in _leaves(group):
            print(f"reconciler: {cause}", file=sys.stderr)
        code = 1
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
