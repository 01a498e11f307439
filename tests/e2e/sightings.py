"""What the API server tells in watches of the test's own, with the time at which it was told."""

import json
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import toolchain
from tests.e2e.kube import Kube, eventually

Object = dict[str, Any]
Matches = Callable[[Object], bool]
_PATHS = (
    "/api/v1/events",
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/apis/devserver.io/v1/devservers",
    "/apis/devserver.io/v1/devserverusers",
)


@dataclass(frozen=True)
class Sighting:
    """An object as it was told. at: seconds of the monotonic clock."""

    at: float
    obj: Object


@dataclass
class Sightings:
    """All that was told, by kind, namespace and name; Events by what they are about."""

    _told: dict[tuple[str, str, str], list[Sighting]] = field(default_factory=lambda: defaultdict(list))

    def follow(self, process: "subprocess.Popen[str]") -> None:
        """Take up what the process prints, one watch event a line, until it ends."""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._take_up(json.loads(line))

    def _take_up(self, event: Object) -> None:
        assert event["type"] != "ERROR", event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            obj = event["object"]
            about = obj["involvedObject"] if obj["kind"] == "Event" else obj["metadata"]
            subject = (obj["kind"], about.get("namespace", ""), about["name"])
            self._told[subject].append(Sighting(time.monotonic(), obj))

    def all(self, kind: str, namespace: str, name: str) -> list[Sighting]:
        """Those of the object so far, the first one first."""
        return list(self._told.get((kind, namespace, name), ()))

    def latest(self, kind: str, namespace: str, name: str) -> Object:
        """The object as it was told last; an empty dict if it was not."""
        found = self.all(kind, namespace, name)
        return found[-1].obj if found else {}

    def first(self, kind: str, namespace: str, name: str, matches: Matches) -> Sighting:
        """The first one that matches; waits for it."""

        def found() -> Sighting | None:
            return next((item for item in self.all(kind, namespace, name) if matches(item.obj)), None)

        return eventually(found, f"{kind} {name} is seen as it should be")


@contextmanager
def sightings(kube: Kube) -> Iterator[Sightings]:
    """What is told while the block runs."""
    seen = Sightings()
    command = [str(toolchain.binary("kubectl")), "--kubeconfig", str(kube.kubeconfig), "get", "--raw"]
    # From whatever version the API server has at hand: it may wait in vain for the latest one of a kind that rests.
    processes = [
        subprocess.Popen(
            [*command, f"{path}?watch=true&resourceVersion=0"], stdout=subprocess.PIPE, text=True
        )
        for path in _PATHS
    ]
    threads = [threading.Thread(target=seen.follow, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        for process in processes:
            process.terminate()
        for thread, process in zip(threads, processes, strict=True):
            thread.join()
            process.wait()
