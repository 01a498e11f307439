"""`python -m bench [PART ...]`: measure the operator on the local cluster.

Figures go to standard output, one JSON object a line; progress goes to standard error.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import images
import localcluster
import toolchain
from bench.api import connect
from bench.bench import Bench, Sizes
from bench.errors import BenchError
from bench.grounds import AT_A_TIME, Grounds
from bench.operator import Log, Operator, environment_of
from bench.parts import BY_NAME_ONLY, PARTS
from bench.report import note
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.manifests import DEFINITIONS, INSTALLATION, RECONCILER, SYSTEM_NAMESPACE


def main() -> int:
    """Exit code 0 when all figures are printed, 1 with a sentence on standard error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without: most")
    for size in fields(Sizes):
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=type(size.default), default=size.default)
    options = vars(parser.parse_args())
    chosen = options.pop("parts") or [name for name in PARTS if name not in BY_NAME_ONLY]
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    try:
        asyncio.run(_bench([name for name in PARTS if name in chosen], Sizes(**options)))
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    except (
        BenchError,
        DemoError,
        localcluster.LocalClusterError,
        images.ImageError,
        toolchain.ToolchainError,
        OSError,
    ) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    return 0


async def _bench(parts: list[str], sizes: Sizes) -> None:
    task = asyncio.current_task()
    assert task is not None
    # Terminated is interrupted: what was made is removed.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    settings = localcluster.Settings(name=os.environ.get("LOCALCLUSTER_NAME", "test"))
    admin = await asyncio.to_thread(_install, settings)
    identity = localcluster.service_account_kubeconfig(SYSTEM_NAMESPACE, RECONCILER, "24h", settings)
    environment = environment_of(identity, toolchain.bin_dir(), toolchain.pulumi_home())
    with _directories() as (directory, run_dir):
        replicas = []
        for number in range(2):
            log = directory / f"reconciler-{number}.log"
            log.touch()
            replicas.append(Operator(environment, Log(log), run_dir / str(number)))
        try:
            async with connect(admin, directory, AT_A_TIME + 16) as api:
                grounds = Grounds.on(api)
                async with grounds.devservers:
                    try:
                        await grounds.make()
                        await replicas[0].start()
                        bench = Bench(grounds, replicas, sizes)
                        for part in parts:
                            note(f"{part}: {PARTS[part].__doc__}")
                            await PARTS[part](bench)
                    finally:
                        await _clear(grounds, replicas)
        finally:
            for replica in replicas:
                await replica.stop()
                replica.clear()


async def _clear(grounds: Grounds, replicas: list[Operator]) -> None:
    """Remove what was made. A second Ctrl-C ends it at once."""
    note("removing what was made")
    if not any(replica.runs for replica in replicas):
        await replicas[0].start()
    await grounds.remove()


def _install(settings: localcluster.Settings) -> Path:
    """Have the cluster with all that deploy/ installs; returns the administrator's kubeconfig."""
    admin = localcluster.up(settings).kubeconfig
    kubectl = Kubectl(admin)
    for manifest in INSTALLATION:
        kubectl("apply", "--server-side", "--force-conflicts", f"--filename={manifest}")
    kubectl("wait", "--for=condition=Established", f"--filename={DEFINITIONS}")
    return admin


@contextmanager
def _directories() -> Iterator[tuple[Path, Path]]:
    """A private directory, and one on tmpfs for the runs; both are removed. The logs stay if something failed."""
    run_dir = Path(tempfile.mkdtemp(prefix="devserver-bench-", dir="/dev/shm"))
    directory = Path(tempfile.mkdtemp(prefix="devserver-bench-"))
    try:
        yield directory, run_dir
    except Exception:
        note(f"the reconciler's logs are in {directory}")
        raise
    else:
        shutil.rmtree(directory)
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
