"""How a change of one object wakes resources."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from copy import deepcopy
from typing import Any, cast

import pytest

from crds.resources import (
    CHILD_RESOURCES,
    CORE_EVENT,
    CRD,
    DEVSERVER,
    FLAVOR,
    NAMESPACE,
    POD,
    PVC,
    QUOTA,
    STORAGE_CLASS,
    USER,
    Resource,
)
from reconciler.controller.retries import Unblocked
from reconciler.controller.watches import MANAGED, Watches
from reconciler.controller.workqueue import WorkQueue
from reconciler.kinds.devserver.kind import DevServerKind
from reconciler.kinds.devserver.pod import events
from reconciler.kube.client import Client
from reconciler.kube.objects import Key, Object, WatchEvent
from reconciler.kube.watch import Watch, WatchSpec
from reconciler.settings import Settings
from reconciler.status.errors import StalledError, WaitingError
from stacks.devserver.program import DevServerChildren
from stacks.metadata import Child
from tests.builders import child_object, kinds, owner, pod, resource, storage_class
from tests.clock import Clock
from tests.fake_client import FakeClient
from tests.patience import PATIENCE_S, until

NAMES = DevServerChildren.of(owner())
BOX, OTHER = Key("DevServer", "dev-ada", "box"), Key("DevServer", "dev-ada", "other")
GPU = Key("DevServerFlavor", "", "gpu")
CONFIG_MAP = CHILD_RESOURCES["v1", "ConfigMap"]


class Bench:
    """Watches that are told of objects, and the queue that they fill."""

    def __init__(self) -> None:
        self.queue = WorkQueue(lambda: 0.0, 1.0, 60.0)
        # What was said to be unblocked, each as a question about a failed resource.
        self.unblocked: list[Unblocked] = []
        self.clock = Clock()
        self.known = kinds(clock=self.clock)
        self.cache, self.watched = self.known.cache, self.known.devserver.watched
        client = cast(Client, FakeClient())
        self.watches = Watches(client, Settings(), self.queue, self.cache, self.known.by_name)
        self.watches.unblock = self.unblocked.append
        self._version = 0

    def watch(self, kind: Resource, fields: str | None = None) -> Watch:
        """The first watch of that kind; the one with these fields."""
        return next(
            watch
            for watch in self.watches.followed
            if watch.spec.resource == kind and fields in (None, watch.spec.fields)
        )

    def see(self, kind: Resource, obj: Object, fields: str | None = None) -> set[Key]:
        """Tell of the object in a new version; returns who is looked at."""
        self._version += 1
        seen = deepcopy(obj)
        seen["metadata"]["resourceVersion"] = str(self._version)
        self.watch(kind, fields).apply_write(seen)
        return self.enqueued()

    def end(self, kind: Resource, obj: Object, fields: str | None = None) -> set[Key]:
        """Tell that the object is gone."""
        gone = deepcopy(obj)
        gone["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
        return self.see(kind, gone, fields)

    def enqueued(self) -> set[Key]:
        keys = set()
        while (key := self.queue.take_due()) is not None:
            self.queue.done(key)
            keys.add(key)
        return keys


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_resource_wakes_itself_and_is_known(bench: Bench) -> None:
    box = resource("DevServer")
    assert bench.see(DEVSERVER, box) == {BOX}
    assert bench.cache.resource(BOX) is not None
    assert bench.end(DEVSERVER, box) == {BOX}
    assert bench.cache.resource(BOX) is None


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        (CONFIG_MAP, child_object(NAMES.sshd)),
        (PVC, child_object(NAMES.home)),
        (POD, pod()),
    ],
    ids=["a child", "a home", "the pod"],
)
def test_a_child_wakes_its_owner_when_it_comes_changes_and_goes(bench: Bench, kind: Any, obj: Object) -> None:
    for tell in (bench.see, bench.see, bench.end):
        assert tell(kind, obj) == {BOX}


def test_a_storage_class_that_allows_expansion_now_wakes_those_whose_home_is_of_it(bench: Bench) -> None:
    bench.see(PVC, child_object(NAMES.home, spec={"storageClassName": "fast"}))
    other = owner(name="other")
    bench.see(PVC, child_object(DevServerChildren.of(other).home, other, spec={"storageClassName": "slow"}))
    assert bench.see(STORAGE_CLASS, storage_class("fast")) == set()
    assert bench.see(STORAGE_CLASS, storage_class("fast", reclaimPolicy="Retain")) == set()
    assert bench.see(STORAGE_CLASS, storage_class("fast", allowVolumeExpansion=True)) == {BOX}
    assert bench.end(STORAGE_CLASS, storage_class("fast", allowVolumeExpansion=True)) == {BOX}


def test_a_child_that_changed_hands_wakes_both_owners(bench: Bench) -> None:
    bench.see(CONFIG_MAP, child_object(NAMES.sshd))
    taken = child_object(NAMES.sshd, owner(name="other"))
    assert bench.see(CONFIG_MAP, taken) == {BOX, OTHER}


def test_what_belongs_to_no_one_wakes_no_one(bench: Bench) -> None:
    stray = child_object(NAMES.sshd)
    stray["metadata"]["ownerReferences"] = [
        {"apiVersion": "devserver.io/v1", "kind": "Nonsense", "name": "x", "uid": "y"}
    ]
    assert bench.see(CONFIG_MAP, stray) == set()


# --- flavors


def flavor(**spec: Any) -> Object:
    return resource("DevServerFlavor", "gpu", **spec)


@pytest.mark.parametrize(
    ("box", "woken"),
    [
        (resource("DevServer", flavor="gpu"), True),
        (resource("DevServer"), True),
        (resource("DevServer", flavor="cpu", status={"flavor": "gpu"}), True),
        (resource("DevServer", flavor="cpu", status={"flavor": "cpu"}), False),
    ],
    ids=["names it", "takes the default", "has it still", "has another"],
)
def test_a_flavor_wakes_whom_it_may_concern(bench: Bench, box: Object, woken: bool) -> None:
    bench.see(DEVSERVER, box)
    expected = {GPU, BOX} if woken else {GPU}
    made = flavor()
    assert bench.see(FLAVOR, made) == expected, "when it comes"
    assert bench.see(FLAVOR, flavor(shmSize="1Gi")) == expected, "when it changes"
    assert bench.end(FLAVOR, made) == expected, "when it goes"


def test_the_status_of_a_flavor_concerns_no_one_else(bench: Bench) -> None:
    bench.see(DEVSERVER, resource("DevServer"))
    bench.see(FLAVOR, flavor())
    assert bench.see(FLAVOR, flavor() | {"status": {"phase": "Ready"}}) == {GPU}


# --- users


def user(name: str) -> Object:
    return resource("DevServerUser", name, username="ada")


def user_key(name: str) -> Key:
    return Key("DevServerUser", "", name)


def test_a_user_wakes_others_of_its_username_when_it_comes_and_goes(bench: Bench) -> None:
    bench.see(USER, resource("DevServerUser", "eve", username="eve"))
    assert bench.see(USER, user("first")) == {user_key("first")}
    assert bench.see(USER, user("second")) == {user_key("first"), user_key("second")}
    assert bench.see(USER, user("first") | {"status": {"phase": "Ready"}}) == {user_key("first")}
    assert bench.end(USER, user("first")) == {user_key("first"), user_key("second")}


def test_a_namespace_that_is_given_to_another_user_by_hand_relieves_that_one(bench: Bench) -> None:
    def kept_for(name: str) -> Object:
        child = Child("v1", "Namespace", "", "dev-ada", retained=True)
        space = child_object(child, owner("DevServerUser", name), person="ada")
        space["metadata"]["labels"]["devserver.io/user"] = "ada"
        return space

    for name in ("second", "third"):
        bench.see(USER, user(name))
    bench.see(NAMESPACE, kept_for("first"))
    assert bench.unblocked == []
    assert bench.see(NAMESPACE, kept_for("second")) == {
        user_key(name) for name in ("first", "second", "third")
    }
    (is_unblocked,) = bench.unblocked
    stopped = StalledError("NameConflict", "Namespace dev-ada exists and holds the data of someone else")
    assert is_unblocked(user_key("second"), stopped)
    assert not is_unblocked(user_key("third"), stopped)
    assert not is_unblocked(user_key("second"), StalledError("InvalidSpec", stopped.message))


def test_a_flavor_that_may_be_the_default_wakes_those_that_may_not_be_any_more(bench: Bench) -> None:
    older = flavor(default=True)
    other = resource("DevServerFlavor", "other", default=True)
    bench.see(FLAVOR, older)
    bench.see(FLAVOR, resource("DevServerFlavor", "plain"))
    assert bench.see(FLAVOR, other) == {GPU, Key("DevServerFlavor", "", "other")}
    assert bench.see(FLAVOR, flavor(default=False)) == {GPU, Key("DevServerFlavor", "", "other")}
    assert bench.end(FLAVOR, other) == {Key("DevServerFlavor", "", "other")}


async def summaries(bench: Bench) -> dict[str, tuple[int, int]]:
    """How many use each flavor that is due to be looked at, and how many of these wait for a restart."""
    bench.clock.now += 2
    found: dict[str, tuple[int, int]] = {}
    flavors = bench.known.flavor.summaries

    def changed(name: str) -> None:
        summary = flavors.of(name)
        assert summary is not None
        found[name] = summary.devservers, summary.pending_restarts

    await flavors.work(changed)
    return found


async def test_who_uses_a_flavor_has_it_looked_at(bench: Bench) -> None:
    bench.see(FLAVOR, flavor())
    bench.see(FLAVOR, resource("DevServerFlavor", "other"))
    assert await summaries(bench) == {"gpu": (0, 0), "other": (0, 0)}
    box = resource("DevServer", flavor="gpu")
    bench.see(DEVSERVER, box)
    assert await summaries(bench) == {"gpu": (1, 0)}
    bench.see(DEVSERVER, box | {"status": {"phase": "Running"}})
    assert await summaries(bench) == {}, "what has nothing to do with the flavor is nothing to look at"
    pending = {"type": "RestartPending", "status": "True"}
    bench.see(DEVSERVER, box | {"status": {"conditions": [pending]}})
    assert await summaries(bench) == {"gpu": (1, 1)}
    bench.see(DEVSERVER, resource("DevServer", flavor="other"))
    assert await summaries(bench) == {"gpu": (0, 0), "other": (1, 0)}
    bench.end(DEVSERVER, resource("DevServer", flavor="other"))
    assert await summaries(bench) == {"other": (0, 0)}


async def test_a_flavor_whose_summary_changed_is_looked_at_and_one_that_is_gone_forgotten(
    bench: Bench,
) -> None:
    flavors = bench.known.flavor.summaries
    bench.see(FLAVOR, flavor())
    assert await summaries(bench) == {"gpu": (0, 0)}
    flavors.touch_all()
    assert await summaries(bench) == {}, "nothing changed"
    bench.end(FLAVOR, flavor())
    assert flavors.of("gpu") is None
    assert await summaries(bench) == {}
    assert flavors.of("gpu") is None


# --- what unblocks


def test_a_quota_that_gave_way_and_a_namespace_that_went_relieve_whom_they_stopped(bench: Bench) -> None:
    meta = {"name": "few", "namespace": "dev-ada", "uid": "uid-few"}
    full = {"metadata": meta, "status": {"hard": {"services": "2"}, "used": {"services": "2"}}}
    bench.see(QUOTA, full)
    bench.see(QUOTA, full | {"metadata": meta | {"labels": {"a": "b"}}})
    assert bench.unblocked == [], "nothing gave way yet"
    bench.see(QUOTA, full | {"status": {"hard": {"services": "4"}, "used": {"services": "2"}}})
    (is_unblocked,) = bench.unblocked
    stopped = WaitingError(
        "QuotaExceeded", "services is forbidden: exceeded quota: few, requested: services=1"
    )
    assert is_unblocked(BOX, stopped)
    assert not is_unblocked(BOX, WaitingError("RunFailed", stopped.message))

    space: Object = {"metadata": {"name": "dev-bob", "uid": "uid-bob"}}
    bench.see(NAMESPACE, space)
    bench.end(NAMESPACE, space)
    stopped = WaitingError("NamespaceTerminating", "... new content in namespace dev-bob because it is ...")
    assert bench.unblocked[1](Key("DevServerUser", "", "bob"), stopped)


# --- refused pods


def refused(quota: str = "few", uid: str = "uid-event") -> Object:
    message = f"create Pod box-0 in StatefulSet box failed error: exceeded quota: {quota}, requested: pods=1"
    about = {"kind": "StatefulSet", "namespace": "dev-ada", "name": "box", "uid": "uid-s"}
    return {
        "metadata": {"name": f"box.{uid}", "namespace": "dev-ada", "uid": uid},
        "involvedObject": about,
        "message": message,
    }


def test_a_refused_pod_wakes_its_devserver_until_there_is_a_pod(bench: Bench) -> None:
    assert bench.see(CORE_EVENT, refused()) == set(), "a StatefulSet may be anyone's"
    bench.see(DEVSERVER, resource("DevServer"))
    assert bench.see(CORE_EVENT, refused()) == {BOX}
    assert bench.watched.refusals["dev-ada", "box"].reason == "QuotaExceeded"
    assert bench.see(POD, pod()) == {BOX}
    assert bench.watched.refusals == {}
    bench.end(CORE_EVENT, refused())


@pytest.mark.parametrize(("quota", "unblocked"), [("few", True), ("other", False)])
def test_a_quota_that_gave_way_relieves_the_pods_that_it_stopped(
    bench: Bench, quota: str, unblocked: bool
) -> None:
    bench.see(DEVSERVER, resource("DevServer"))
    bench.see(CORE_EVENT, refused(quota))
    meta = {"name": "few", "namespace": "dev-ada", "uid": "uid-few"}
    bench.see(QUOTA, {"metadata": meta, "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}})
    woken = bench.see(QUOTA, {"metadata": meta, "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}})
    assert woken == ({BOX} if unblocked else set())
    assert bench.watched.refusals["dev-ada", "box"].unblocked is unblocked


# --- pods that do not start


def told(reason: str, kind: str, name: str, message: str = "no", uid: str = "uid-event") -> Object:
    return {
        "metadata": {"name": f"{name}.{uid}", "namespace": "dev-ada", "uid": uid},
        "involvedObject": {"kind": kind, "namespace": "dev-ada", "name": name, "uid": f"uid-of-{name}"},
        "reason": reason,
        "message": message,
        "eventTime": "2030-01-01T12:00:00.123456Z",
    }


class Teller:
    """The watch of Events of one reason."""

    def __init__(self, bench: Bench, reason: str) -> None:
        self._bench = bench
        self._fields = events.selector(reason, events.FOLLOWED[reason])

    def see(self, event: Object, gone: bool = False) -> set[Key]:
        tell = self._bench.end if gone else self._bench.see
        return tell(CORE_EVENT, event, self._fields)


def test_what_events_tell_of_a_pod_wakes_its_devserver_and_is_forgotten_with_the_event(bench: Bench) -> None:
    mounts = Teller(bench, "FailedMount")
    assert mounts.see(told("FailedMount", "Pod", "box-0")) == set(), "a pod may be anyone's"
    bench.see(DEVSERVER, resource("DevServer"))
    assert mounts.see(told("FailedMount", "Pod", "box-0", "no such\n directory")) == {BOX}
    (found,) = bench.watched.events.of(pod())
    assert (found.reason, found.message, found.uid) == ("FailedMount", "no such directory", "uid-of-box-0")
    assert (found.first, found.last) == ("2030-01-01T12:00:00Z", "2030-01-01T12:00:00Z")
    assert mounts.see(told("FailedMount", "Pod", "box-0"), gone=True) == {BOX}
    assert bench.watched.events.of(pod()) == ()


def test_what_events_tell_of_a_claim_wakes_those_whose_pod_mounts_it(bench: Bench) -> None:
    for name in ("box", "other"):
        bench.see(DEVSERVER, resource("DevServer", name))
    claim = {"name": "home", "persistentVolumeClaim": {"claimName": "box-home"}}
    box = pod() | {"spec": {"volumes": [{"name": "tools", "emptyDir": {}}, claim]}}
    bench.see(POD, box)
    bench.see(POD, pod("other"))
    claims = Teller(bench, "ProvisioningFailed")
    assert claims.see(told("ProvisioningFailed", "PersistentVolumeClaim", "box-home")) == {BOX}
    assert [found.kind for found in bench.watched.events.of(box)] == ["PersistentVolumeClaim"]
    assert bench.watched.events.of(pod("other")) == ()


def test_each_reason_is_followed_by_itself_of_its_kind_alone(bench: Bench) -> None:
    assert {watch.spec.fields for watch in bench.watches.followed if watch.spec.resource == CORE_EVENT} == {
        "reason=FailedCreate,involvedObject.kind=StatefulSet",
        "reason=FailedMount,involvedObject.kind=Pod",
        "reason=FailedAttachVolume,involvedObject.kind=Pod",
        "reason=FailedCreatePodSandBox,involvedObject.kind=Pod",
        "reason=FailedToRetrieveImagePullSecret,involvedObject.kind=Pod",
        "reason=ProvisioningFailed,involvedObject.kind=PersistentVolumeClaim",
    }
    assert len({watch.name for watch in bench.watches.followed}) == len(bench.watches.followed)


def test_one_watch_serves_all_who_want_the_same_objects(bench: Bench) -> None:
    collections = [watch.spec.collection for watch in bench.watches.followed]
    assert len(set(collections)) == len(collections)
    assert bench.watch(FLAVOR).objects is bench.cache.resources["DevServerFlavor"]
    assert bench.watch(POD).objects is bench.watched.pods


class TwoStores(DevServerKind):
    """Wants the Namespaces of stacks in a store of its own, where the cache has one already."""

    def watches(self) -> Iterable[WatchSpec]:
        return (WatchSpec(NAMESPACE, selector=MANAGED, store={}),)


class OneName(DevServerKind):
    """Wants all Namespaces, and gives its watch no name of its own."""

    def watches(self) -> Iterable[WatchSpec]:
        return (WatchSpec(NAMESPACE),)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (TwoStores, "namespaces are to be kept in two stores"),
        (OneName, "two watches are called namespaces"),
    ],
)
def test_a_kind_whose_watches_clash_with_others_is_refused(odd: type[DevServerKind], message: str) -> None:
    known = kinds()
    by_name = {"DevServer": odd(known.cache, Settings(), "cluster-uid")}
    queue = WorkQueue(lambda: 0.0, 1.0, 60.0)
    with pytest.raises(ValueError, match=message):
        Watches(cast(Client, FakeClient()), Settings(), queue, known.cache, by_name)


async def test_the_work_begins_when_every_watch_is_in_that_of_karpenters_definition_too(bench: Bench) -> None:
    """A client that never answers lists of definitions: nobody knows then whether NodePools are served."""
    begun = asyncio.Event()
    client = NeverLists(CRD)
    watches = Watches(cast(Client, client), Settings(), bench.queue, bench.cache, bench.known.by_name)
    running = asyncio.create_task(watches.run(begun.set))
    await until(
        lambda: [watch.name for watch in watches.followed if not watch.synced.is_set()] == [CRD.plural]
    )
    assert not begun.is_set()
    client.answers.set()
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    running.cancel()
    await asyncio.wait({running})


class NeverLists:
    """Has no objects, and does not answer lists of one resource until it is told to."""

    def __init__(self, resource: Resource) -> None:
        self.answers = asyncio.Event()
        self._resource = resource

    async def list_all(self, resource: Resource, *_: Any) -> tuple[list[Object], str]:
        if resource == self._resource:
            await self.answers.wait()
        return [], "1"

    async def watch(self, *_: Any) -> AsyncIterator[WatchEvent]:
        await asyncio.Event().wait()
        yield WatchEvent("BOOKMARK", {})
