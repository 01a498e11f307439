"""What users are promised in seconds, beside logins: what is told of a pod, and how long their command takes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping

from bench.api import Follower, Object
from bench.errors import BenchError
from bench.grounds import Grounds
from bench.operator import ROOT
from bench.report import figure, percentile
from stacks.metadata import NAME_LABEL

# A name that no image can have: the kubelet says so at once, and needs no registry for that.
_IMAGE = "local/Upper:1"
_REASON = "InvalidImageName"
_LONGEST_S = 60.0


def pod_says(pod: Object | None) -> bool:
    """Whether the kubelet has said of the pod that its image cannot be."""
    statuses = (pod or {}).get("status", {}).get("containerStatuses", [])
    return any(item.get("state", {}).get("waiting", {}).get("reason") == _REASON for item in statuses)


def devserver_says(devserver: Object | None) -> bool:
    """Whether the DevServer's condition says it, too."""
    conditions = (devserver or {}).get("status", {}).get("conditions", [])
    return any((item["type"], item["reason"]) == ("Ready", _REASON) for item in conditions)


async def measure_told(grounds: Grounds, count: int) -> None:
    """Print how long after the pod's status the DevServer's condition tells of a trouble. count: of samples."""
    seconds = []
    async with Follower(grounds.api, f"/api/v1/namespaces/{grounds.namespace}/pods", NAME_LABEL) as pods:
        for number in range(count):
            name = f"told-{number}"
            await grounds.submit([grounds.manifest(name, running=True, image=_IMAGE)])
            await pods.wait_for({f"{name}-0"}, pod_says, "kubelet refuses the image", _LONGEST_S)
            known = time.monotonic()
            await grounds.devservers.wait_for({name}, devserver_says, "conditions tell of it", _LONGEST_S)
            seconds.append(time.monotonic() - known)
            await grounds.delete([name], _LONGEST_S)
    figure("told_s_p50", percentile(seconds, 50), "s")
    figure("told_s_p95", percentile(seconds, 95), "s")


async def measure_devctl(environment: Mapping[str, str], namespace: str, count: int) -> None:
    """Print how long the users' command takes for its help, and for the list of a namespace. count: of calls each."""
    for name, words in (("help", ["--help"]), ("list", ["list", "--namespace", namespace])):
        seconds = [await asyncio.to_thread(_called, environment, words) for _ in range(count)]
        figure(f"devctl_{name}_s_p50", percentile(seconds, 50), "s")


def _called(environment: Mapping[str, str], words: list[str]) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "devctl", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise BenchError(f"devctl {' '.join(words)}: {done.stderr.strip()}")
    return time.monotonic() - began
