"""A process of its own with an engine that runs a program without end, to be killed from outside.

Arguments: run directory, engine mode, provider mode. Prints `running` once the program runs.
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal, cast

from reconciler.engine.setup import open_engine
from reconciler.settings import Settings
from reconciler.state import checkpoint
from reconciler.state.encryption_keys import Keys
from stacks.declarations import Program
from stacks.registration import register


async def endless() -> None:
    register(Program("cluster-uid", (), {}))
    print("running", flush=True)
    await asyncio.sleep(3600)


async def main(run_dir: Path, engine_mode: str, provider_mode: str) -> None:
    settings = Settings(
        run_dir=run_dir,
        engine_mode=cast(Literal["worker", "cli"], engine_mode),
        provider_mode=cast(Literal["shared", "private"], provider_mode),
    )
    with open_engine(settings) as engine:
        keys = Keys("tests", await engine.make_salt("tests"))
        await engine.up("endless", endless, checkpoint.empty("endless"), keys)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
