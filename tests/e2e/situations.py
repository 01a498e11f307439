"""The situations of docs/troubleshooting.md: which tests produce them, and how.

The guide's table says what people see; here stands only what brings it about.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.kube import Kube, SshKey, condition, devserver, eventually
from tests.e2e.sightings import Sightings

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]


# --- the guide -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the guide says of a situation. message: with `...` for what differs."""

    condition: str
    reason: str
    message: str

    def fits(self, found: Object) -> bool:
        """Whether a condition is as the guide says."""
        parts = [re.escape(part.strip()) for part in self.message.split("...")]
        pattern = r"\s*.*\s*".join(parts)
        return found.get("reason") == self.reason and bool(re.fullmatch(pattern, found.get("message", "")))


def documented() -> dict[str, Row]:
    """The table "Situations" of the guide."""
    guide = (ROOT / "docs/troubleshooting.md").read_text()
    section = guide.split("\n## Situations\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    rows = [line.strip("| ").split(" | ") for line in lines]
    return {row[0]: Row(*(cell.strip("`") for cell in row[1:4])) for row in rows}


# Produced by a test that is there for more than that.
ELSEWHERE = {
    "No flavor is named and none is the default": (
        "test_flavors.py",
        "test_the_oldest_default_wins_and_the_next_one_is_promoted",
    ),
    "The home of this name holds the data of someone else": (
        "test_retained.py",
        "test_a_retained_home_is_taken_up_by_the_same_owner_and_by_no_one_else",
    ),
    "Another DevServerUser has the username": (
        "test_users.py",
        "test_of_two_users_of_one_name_the_older_wins_and_the_other_follows_when_nothing_was_retained",
    ),
    "An additional role is not allowed": (
        "test_users.py",
        "test_an_additional_role_is_given_while_it_is_allowed_and_costs_nothing_else_while_it_is_not",
    ),
}


# --- the ground ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """Namespaces in which all of it happens at once. prefix: of all names in the cluster. spaces: by purpose."""

    kube: Kube
    prefix: str
    key: SshKey
    seen: Sightings
    spaces: dict[str, Kube] = field(default_factory=dict)

    def named(self, purpose: str) -> str:
        """The name of an object without a namespace."""
        return f"{self.prefix}-{purpose}"

    def space(self, purpose: str = "") -> Kube:
        """kubectl bound to that namespace."""
        return self.spaces.setdefault(purpose, Kube(self.kube.kubeconfig, self.named(purpose or "all")))

    def pod(self, name: str) -> Object:
        """The pod of a DevServer, as it was told last."""
        return self.seen.latest("Pod", self.space().namespace, f"{name}-0")

    def await_pod(self, name: str) -> None:
        """Wait until the pod of a DevServer is ready."""
        eventually(lambda: is_true(self.pod(name), "Ready"), f"the pod of {name} is ready")


def apply_all(kube: Kube, manifests: list[Object]) -> None:
    """One kubectl for them all, in whatever namespace."""
    anywhere = Kube(kube.kubeconfig, "")
    anywhere("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))


# --- facts: that the cluster knows it --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """kind: of the object that shows it. name: of that object, with {} for the DevServer's."""

    kind: str
    name: str
    shows: Callable[[Object], bool]


def is_true(obj: Object, type_: str) -> bool:
    return condition(obj, type_).get("status") == "True"


def _main(pod: Object) -> Object:
    """The status of the main container."""
    found = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return dict(found[0])


def ended_times(pod: Object) -> int:
    """How often the main container has ended."""
    container = _main(pod)
    state = container.get("state") or {}
    over = "terminated" in state or (
        "waiting" in state and "terminated" in (container.get("lastState") or {})
    )
    return int(container.get("restartCount", 0)) + over


def could_not_start(pod: Object) -> bool:
    waiting = (_main(pod).get("state") or {}).get("waiting") or {}
    return waiting.get("reason") == "RunContainerError" or ended_times(pod) > 0


def on_pod(shows: Callable[[Object], bool]) -> Fact:
    return Fact("Pod", "{}-0", shows)


def waits_for(*reasons: str) -> Fact:
    return on_pod(lambda pod: (_main(pod).get("state") or {}).get("waiting", {}).get("reason") in reasons)


def has_ended(times: int) -> Fact:
    return on_pod(lambda pod: ended_times(pod) >= times)


def says(reason: str, name: str = "{}-0") -> Fact:
    return Fact("Event", name, lambda event: event["reason"] == reason)


MADE = Fact("DevServer", "{}", lambda obj: True)
NO_NODE = on_pod(lambda pod: condition(pod, "PodScheduled").get("status") == "False")
REFUSED = says("FailedCreate", "{}")


# --- the cases -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A situation.

    name: of the DevServer, which is made with this spec; without a spec it is made by another case or by `act`.
    flavor: the spec of a flavor of its own. space: the namespace's purpose.
    before: what has to be there first. act: what has to be done besides.
    facts: from the last of these on the cluster knows it; where there is none, the operator finds out in a run.
    """

    name: str
    spec: Object | None = None
    flavor: Object | None = None
    space: str = ""
    kind: str = "DevServer"
    before: Callable[[Ground], list[Object]] = lambda ground: []
    act: Callable[[Ground], None] = lambda ground: None
    facts: tuple[Fact, ...] = ()

    def manifest(self, ground: Ground) -> Object:
        """The DevServer."""
        spec = {"image": "local/busybox:1", "running": True, **(self.spec or {})}
        if self.flavor is not None:
            spec["flavor"] = ground.named(self.name)
        return in_space(ground, self.space, devserver(self.name, ground.key, **spec))

    def about(self, ground: Ground) -> tuple[str, str]:
        """Namespace and name of the resource whose condition tells of it."""
        if self.kind == "DevServer":
            return ground.space(self.space).namespace, self.name
        return "", ground.named(self.name)

    def known_at(self, ground: Ground) -> float | None:
        """Since when the cluster has known it, by the clock of the sightings."""
        namespace = ground.space(self.space).namespace
        times = [
            ground.seen.first(fact.kind, namespace, fact.name.format(self.name), fact.shows).at
            for fact in self.facts
        ]
        return max(times, default=None)


def in_space(ground: Ground, space: str, manifest: Object) -> Object:
    """The manifest for that namespace."""
    metadata = {**manifest["metadata"], "namespace": ground.space(space).namespace}
    return {**manifest, "metadata": metadata}


def flavor(ground: Ground, purpose: str, spec: Object) -> Object:
    """A flavor; what it does not say is little."""
    little = {"resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    return {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServerFlavor",
        "metadata": {"name": ground.named(purpose)},
        "spec": {**little, **spec},
    }
