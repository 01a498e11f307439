"""How long a person waits for a login: after an apply, again, and after stop and start; and for a large copy."""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.api import Follower, Object
from bench.arrivals import Arrivals
from bench.errors import BenchError
from bench.grounds import Grounds
from bench.report import figure, median, note, percentile
from bench.ssh import Person, until_sshd_answers
from stacks.metadata import NAME_LABEL

IMAGE = "local/debian:bookworm"
# The steps from apply to login, in their order.
STEPS = ("engine", "schedule", "init", "sshd")
_LONGEST_S = 60.0
_AGAIN = 3
_COPY_BYTES = 100_000_000
# Until what the last sample has left behind (garbage collection, for example) has died down.
_QUIET_S = 1.0


def stages(pod: Object) -> set[str]:
    """Which stages the pod has reached, by its conditions."""
    conditions = pod.get("status", {}).get("conditions", [])
    reached = {item["type"] for item in conditions if item["status"] == "True"}
    names = {"PodScheduled": "schedule", "Initialized": "init", "Ready": "ready"}
    return {stage for condition, stage in names.items() if condition in reached}


def split(ends: dict[str, float]) -> dict[str, float]:
    """Seconds of each step, from the seconds after apply at which each was seen to be done.

    A step that was done before an earlier one took none: children are made side by side with the pod.
    """
    parts, before = {}, 0.0
    for step in STEPS:
        after = max(before, ends[step])
        parts[step], before = after - before, after
    return parts


@dataclass
class Stages:
    """When pods were first seen in each stage, by pod and stage."""

    times: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, name: str, pod: Object | None) -> None:
        """Listen to a Follower."""
        for stage in stages(pod or {}):
            self.times.setdefault((name, stage), time.monotonic())


@dataclass(frozen=True)
class Sample:
    """Seconds of one DevServer's life. steps: of `login`, by name; again: of further logins, each."""

    login: float
    steps: dict[str, float]
    again: list[float]
    stop: float
    start: float


@dataclass(frozen=True)
class _Lab:
    grounds: Grounds
    person: Person
    arrivals: Arrivals
    stages: Stages
    pods: Follower
    services: Follower

    async def first_login(self, name: str) -> tuple[float, dict[str, float]]:
        """Apply a DevServer and log in: the seconds that it took, and those of each step."""
        began = time.monotonic()
        await self.grounds.submit([self._manifest(name)])
        address = await self.meet(name)
        await self.log_in(address)
        took_s = time.monotonic() - began
        ends = {
            step: seen - began for (pod, step), seen in self.stages.times.items() if pod == self._pod(name)
        }
        ends |= {"engine": await self.arrivals.last_of(name) - began, "sshd": took_s}
        note(f"{name}: {', '.join(f'{step} {at:.2f}' for step, at in sorted(ends.items(), key=_second))} s")
        return took_s, split(ends)

    async def meet(self, name: str) -> str:
        """Wait until the DevServer's status names its host keys; returns the address of its SSH Service."""
        await self.grounds.devservers.wait_for({name}, _has_host_keys, "host keys are known", _LONGEST_S)
        service = f"{name}-ssh"
        await self.services.wait_for(
            {service}, lambda obj: obj is not None, "SSH Services are there", _LONGEST_S
        )
        address = str(self.services.objects[service]["spec"]["clusterIP"])
        self.person.meet(address, self.grounds.devservers.objects[name]["status"]["ssh"]["hostKeys"])
        return address

    async def log_in(self, address: str) -> None:
        """Log in as soon as sshd answers."""
        await until_sshd_answers(address, _LONGEST_S)
        await self.person.ssh(address, "true")

    async def stop(self, name: str) -> float:
        """Stop the DevServer; the seconds until its pod is gone."""
        began = time.monotonic()
        await self._run(name, False)
        await self._gone(name)
        return time.monotonic() - began

    async def start(self, name: str, address: str) -> float:
        """Start the DevServer; the seconds until a login."""
        began = time.monotonic()
        await self._run(name, True)
        await self.log_in(address)
        return time.monotonic() - began

    async def remove(self, name: str) -> None:
        """Delete the DevServer and wait until its pod is gone, too."""
        await self.grounds.delete([name], _LONGEST_S)
        await self._gone(name)
        await asyncio.sleep(_QUIET_S)

    def _manifest(self, name: str) -> Object:
        return self.grounds.manifest(
            name, running=True, image=IMAGE, ssh={"publicKey": self.person.public.strip()}
        )

    async def _run(self, name: str, running: bool) -> None:
        await self.grounds.api.merge(self.grounds.path(name), {"spec": {"running": running}})

    async def _gone(self, name: str) -> None:
        await self.pods.wait_for({self._pod(name)}, lambda obj: obj is None, "pods are gone", _LONGEST_S)

    @staticmethod
    def _pod(name: str) -> str:
        return f"{name}-0"


def _second(item: tuple[str, float]) -> float:
    return item[1]


def _has_host_keys(devserver: Object | None) -> bool:
    return bool((devserver or {}).get("status", {}).get("ssh", {}).get("hostKeys"))


async def measure_logins(grounds: Grounds, count: int, copies: int) -> None:
    """Print the figures. count: of DevServers, one after the other; copies: of the large file."""
    async with _lab(grounds) as lab:
        # Not counted: it wakes up what has been idle, the node included.
        await lab.first_login("login-first")
        copied_s = await _copy(lab, await lab.meet("login-first"), copies)
        await lab.remove("login-first")
        samples = [await _sample(lab, f"login-{number}") for number in range(count)]
    _report(samples)
    figure("scp_100mb_s", median(copied_s), "s")


def _report(samples: list[Sample]) -> None:
    def median_of(value: Callable[[Sample], float]) -> float:
        return percentile([value(sample) for sample in samples], 50)

    figure("login_s_p50", median_of(lambda sample: sample.login), "s")
    for step in STEPS:
        figure(f"login_{step}_s_p50", median_of(lambda sample, step=step: sample.steps[step]), "s")  # type: ignore[misc]
    figure("login_again_s_p50", percentile([again for sample in samples for again in sample.again], 50), "s")
    figure("start_login_s_p50", median_of(lambda sample: sample.start), "s")
    figure("stop_start_login_s_p50", median_of(lambda sample: sample.stop + sample.start), "s")


async def _sample(lab: _Lab, name: str) -> Sample:
    login_s, steps = await lab.first_login(name)
    address = await lab.meet(name)
    again = []
    for _ in range(_AGAIN):
        began = time.monotonic()
        await lab.person.ssh(address, "true")
        again.append(time.monotonic() - began)
    sample = Sample(login_s, steps, again, await lab.stop(name), await lab.start(name, address))
    note(f"{name}: again {median(again):.2f} s, stop {sample.stop:.2f} s, start {sample.start:.2f} s")
    await lab.remove(name)
    return sample


async def _copy(lab: _Lab, address: str, times: int) -> list[float]:
    """Copy a file of random bytes so often; the seconds of each. Raises BenchError if what arrives is another one."""
    content = os.urandom(_COPY_BYTES)
    source, seconds = lab.person.directory / "large", []
    source.write_bytes(content)
    for _ in range(times):
        began = time.monotonic()
        await lab.person.scp(address, source, "large")
        seconds.append(time.monotonic() - began)
    source.unlink()
    arrived = (await lab.person.ssh(address, "sha256sum large")).split()[0]
    if arrived != hashlib.sha256(content).hexdigest():
        raise BenchError("the file that scp copied is not the one that arrived")
    return seconds


@asynccontextmanager
async def _lab(grounds: Grounds) -> AsyncIterator[_Lab]:
    arrivals, stages_seen = Arrivals(), Stages()
    children = list(grounds.child_followers())
    (services,) = (follower for follower in children if follower.path.endswith("/services"))
    pods = Follower(grounds.api, f"/api/v1/namespaces/{grounds.namespace}/pods", NAME_LABEL)
    for follower in children:
        follower.listeners.append(arrivals.note)
    pods.listeners.append(stages_seen.note)
    with tempfile.TemporaryDirectory(prefix="devserver-bench-") as directory:
        async with AsyncExitStack() as stack:
            for follower in (*children, pods):
                await stack.enter_async_context(follower)
            yield _Lab(grounds, Person.new(Path(directory)), arrivals, stages_seen, pods, services)
