"""Watches, against an API server that is a list of answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from crds.resources import DEVSERVER
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Object, WatchEvent
from reconciler.kube.watch import Watch, WatchSpec
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Write:
    """A write of ours, which the API server answers with the object while the watch goes on."""

    object: Object


# What happens during one request of a watch, up to its end or an error.
Answer = Iterable[WatchEvent | Write | Exception]
Page = tuple[list[Object], str]


@dataclass
class FakeClient:
    """Answers lists and watches in turn and notes what was asked; a watch without an answer stays open.

    wrote: told of every write. slept: how long the watch would have slept between tries, in seconds.
    """

    lists: list[Page | Exception] = field(default_factory=list)
    watches: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    wrote: Callable[[Object], None] = lambda item: None
    slept: list[float] = field(default_factory=list)

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        await asyncio.sleep(0)

    async def list_all(
        self, resource: Any, namespace: str, selector: str, fields: str, transform: Callable[[Object], Object]
    ) -> Page:
        self.asked.append("list")
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        items, version = answer
        return [transform(item) for item in items], version

    async def watch(
        self,
        resource: Any,
        namespace: str,
        selector: str,
        version: str,
        timeout_s: int,
        silence_s: float,
        heard: Callable[[], None],
        fields: str,
    ) -> AsyncIterator[WatchEvent]:
        self.asked.append(f"watch {version}")
        if not self.watches:
            self.idle.set()
            await asyncio.Event().wait()
        for item in self.watches.pop(0):
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Write):
                self.wrote(item.object)
            else:
                yield item


def obj(name: str, version: int, uid: str = "", **metadata: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": uid or name, "resourceVersion": str(version)}
        | metadata
    }


def added(name: str, version: int, uid: str = "") -> WatchEvent:
    return WatchEvent("ADDED", obj(name, version, uid))


def modified(name: str, version: int, uid: str = "") -> WatchEvent:
    return WatchEvent("MODIFIED", obj(name, version, uid))


def deleted(name: str, version: int, uid: str = "") -> WatchEvent:
    return WatchEvent("DELETED", obj(name, version, uid))


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


GONE = ApiError(410, "Expired", "too old resource version")
AWAY = ApiError(0, "Unreachable", "connection refused")


@dataclass
class Followed:
    """A watch that has come to rest, and what it told."""

    watch: Watch
    client: FakeClient
    changes: list[tuple[int | None, int | None]]

    @property
    def store(self) -> dict[str, int]:
        """Versions by name."""
        return {name: version_of(item) or 0 for (_, name), item in self.watch.objects.items()}


def version_of(item: Object | None) -> int | None:
    return None if item is None else int(item["metadata"]["resourceVersion"])


async def follow(lists: list[Page | Exception], *watches: Answer) -> Followed:
    """Run a watch until it has used up all answers."""
    client = FakeClient(lists, list(watches))
    changes: list[tuple[int | None, int | None]] = []
    watch = Watch(
        client=cast(Client, client),
        spec=WatchSpec(DEVSERVER),
        on_change=lambda old, new: changes.append((version_of(old), version_of(new))),
        timeout_s=300,
        silence_s=150,
        sleep=client.sleep,
    )
    client.wrote = watch.apply_write
    await rest(watch, client)
    return Followed(watch, client, changes)


async def rest(watch: Watch, client: FakeClient) -> None:
    """Let the watch run until it has used up all answers."""
    running = asyncio.create_task(watch.run())
    await asyncio.wait(
        {running, asyncio.create_task(client.idle.wait())},
        return_when=asyncio.FIRST_COMPLETED,
        timeout=PATIENCE_S,
    )
    if running.done():
        running.result()
    running.cancel()
    await asyncio.wait({running})
    assert client.idle.is_set(), "the watch did not come to rest"


async def test_the_first_list_fills_the_store_and_tells_of_every_object() -> None:
    done = await follow([([obj("a", 1), obj("b", 2)], "5")])
    assert done.store == {"a": 1, "b": 2}
    assert done.changes == [(None, 1), (None, 2)]
    assert done.watch.synced.is_set()
    assert done.client.asked == ["list", "watch 5"]


async def test_changes_are_applied_and_told_with_before_and_after() -> None:
    done = await follow([([obj("a", 1)], "5")], [added("b", 6), modified("a", 7), deleted("b", 8)])
    assert done.store == {"a": 7}
    assert done.changes == [(None, 1), (None, 6), (1, 7), (6, None)]


@pytest.mark.parametrize(
    "end",
    [[], [AWAY], [TimeoutError()], [ApiError(500, "InternalError", "")]],
    ids=["ended by the server", "broken", "silent", "refused"],
)
async def test_a_watch_resumes_where_it_ended(end: list[Exception]) -> None:
    done = await follow([([], "5")], [added("a", 6), *end], [modified("a", 9)])
    assert done.client.asked == ["list", "watch 5", "watch 6", "watch 9"]
    assert done.store == {"a": 9}


async def test_a_bookmark_moves_the_place_to_resume_from_and_changes_nothing() -> None:
    done = await follow([([], "5")], [bookmark(50)])
    assert done.client.asked == ["list", "watch 5", "watch 50"]
    assert done.changes == []


async def test_a_forgotten_version_is_listed_anew_with_a_diff() -> None:
    before = [obj("same", 1), obj("changed", 2), obj("gone", 3), obj("recreated", 4)]
    after = [obj("same", 1), obj("changed", 12), obj("new", 13), obj("recreated", 14, uid="another")]
    done = await follow([(before, "5"), (after, "20")], [GONE])
    assert done.store == {"same": 1, "changed": 12, "new": 13, "recreated": 14}
    assert sorted(done.changes[4:], key=str) == sorted([(3, None), (2, 12), (None, 13), (4, 14)], key=str)
    assert done.client.asked == ["list", "watch 5", "list", "watch 20"]


async def test_a_version_forgotten_while_paging_is_listed_anew() -> None:
    done = await follow([GONE, ([obj("a", 1)], "5")])
    assert done.client.asked == ["list", "list", "watch 5"]


async def test_what_is_too_old_as_soon_as_it_was_listed_is_not_listed_again_at_once() -> None:
    done = await follow([([], str(version)) for version in range(5)], *[[GONE]] * 4)
    delays = done.client.slept
    assert len(delays) == 4
    assert delays[3] > delays[0]


async def test_an_older_state_never_replaces_a_newer_one() -> None:
    done = await follow([([obj("a", 9)], "5")], [modified("a", 7)])
    assert done.store == {"a": 9}
    assert done.changes == [(None, 9)]


async def test_versions_are_numbers_not_text() -> None:
    done = await follow([([obj("a", 9)], "5")], [modified("a", 10)])
    assert done.store == {"a": 10}


async def test_another_life_of_a_name_replaces_the_first_whatever_its_version() -> None:
    done = await follow([([obj("a", 9)], "5")], [added("a", 7, uid="another")])
    assert done.store == {"a": 7}


async def test_the_late_end_of_an_earlier_life_does_not_end_the_present_one() -> None:
    done = await follow([([obj("a", 9, uid="second")], "5")], [deleted("a", 10, uid="first")])
    assert done.store == {"a": 9}


async def test_the_same_state_twice_is_told_once() -> None:
    done = await follow([([obj("a", 1)], "5")], [modified("a", 1)])
    assert done.changes == [(None, 1)]


async def test_the_end_of_what_was_never_seen_is_no_change() -> None:
    done = await follow([([], "5")], [deleted("a", 6)])
    assert done.changes == []


async def test_a_failed_list_is_tried_again() -> None:
    done = await follow([AWAY, AWAY, ([obj("a", 1)], "5")])
    assert done.store == {"a": 1}
    assert len(done.client.slept) == 2


async def test_delays_grow_while_nothing_comes_of_the_tries() -> None:
    done = await follow([([], "5")], *[[AWAY]] * 12)
    expected = [min(4.0, 0.2 * 2**failures) for failures in range(1, 13)]
    for delay_s, middle_s in zip(done.client.slept, expected, strict=True):
        assert 0.8 * middle_s <= delay_s <= 1.2 * middle_s


async def test_delays_begin_anew_once_something_came() -> None:
    done = await follow([([], "5")], *[[AWAY]] * 5, [bookmark(6), AWAY], [AWAY])
    delays = done.client.slept
    assert delays[4] > 3
    assert delays[5] < 0.5
    assert delays[6] < 1


async def test_delays_grow_when_listing_anew_fails() -> None:
    done = await follow([([], "5"), *[AWAY] * 4, ([], "6")], [GONE])
    assert done.client.slept[3] > 2


# --- writes of our own


async def test_the_answer_to_a_write_is_known_before_the_watch_tells_and_told_once() -> None:
    done = await follow([([obj("a", 1)], "5")], [Write(obj("a", 6)), modified("a", 6)])
    assert done.store == {"a": 6}
    assert done.changes == [(None, 1), (1, 6)]


async def test_what_the_watch_tells_late_does_not_undo_a_write() -> None:
    done = await follow([([obj("a", 1)], "5")], [Write(obj("a", 8)), modified("a", 6)])
    assert done.store == {"a": 8}


LAST_FINALIZER_OFF = Write(obj("a", 8, deletionTimestamp="2030-01-01T12:00:00Z", finalizers=[]))


@pytest.mark.parametrize("late", [[], [modified("a", 6), deleted("a", 8)]], ids=["at once", "and stays so"])
async def test_an_object_that_lost_its_last_finalizer_is_gone(late: list[WatchEvent]) -> None:
    done = await follow([([obj("a", 1)], "5")], [LAST_FINALIZER_OFF, *late])
    assert done.store == {}
    assert done.changes == [(None, 1), (1, None)]


async def test_an_object_with_finalizers_left_is_not_gone() -> None:
    left = obj("a", 8, deletionTimestamp="2030-01-01T12:00:00Z", finalizers=["other"])
    done = await follow([([obj("a", 1)], "5")], [Write(left)])
    assert done.store == {"a": 8}


async def test_a_watch_knows_for_how_long_nothing_was_heard() -> None:
    times = iter([0.0, 10.0, 20.0, 25.0, 31.0])
    client = FakeClient([([], "5")])
    watch = Watch(
        client=cast(Client, client),
        spec=WatchSpec(DEVSERVER),
        on_change=lambda old, new: None,
        timeout_s=300,
        silence_s=150,
        now=lambda: next(times),
    )
    assert watch.silent_s == 10.0, "since it was made"
    await rest(watch, client)
    assert watch.silent_s == 6.0, "since the list, which came after the start"
