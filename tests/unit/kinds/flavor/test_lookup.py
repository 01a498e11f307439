"""Which flavor a DevServer gets."""

from typing import Any

import pytest

from reconciler.kinds.flavor.lookup import find_flavor
from reconciler.kube.cache import Cache
from reconciler.status.errors import WaitingError
from tests.builders import CREATED, cache, resource

Object = dict[str, Any]
FLAVOR = resource("DevServerFlavor", "cpu-small", default=True)


def flavor(name: str, created: str = CREATED, deleting: bool = False, **spec: Any) -> Object:
    made = resource("DevServerFlavor", name, **spec)
    made["metadata"]["creationTimestamp"] = created
    if deleting:
        made["metadata"]["deletionTimestamp"] = CREATED
    return made


def test_a_flavor_is_read_anew_when_the_watch_has_replaced_it() -> None:
    for size in ("1Gi", "2Gi", "1Gi"):
        assert find_flavor(cache(flavor("gpu", shmSize=size)), "gpu")[1].shm_size == size


@pytest.mark.parametrize(
    ("flavors", "name"),
    [
        ([flavor("a", default=True)], "a"),
        ([flavor("a", default=False), flavor("b", default=True)], "b"),
        ([flavor("a", "2030-01-02T00:00:00Z", default=True), flavor("b", default=True)], "b"),
        ([flavor("b", default=True), flavor("a", default=True)], "a"),
        ([flavor("a", deleting=True, default=True), flavor("b", "2030-01-02T00:00:00Z", default=True)], "b"),
        ([flavor("a"), flavor("b", default=True)], "b"),
    ],
    ids=[
        "the only one",
        "the marked one",
        "the oldest",
        "of one age the first by name",
        "not one that goes",
        "no spec",
    ],
)
def test_without_a_name_the_oldest_default_flavor_is_taken(flavors: list[Object], name: str) -> None:
    assert find_flavor(cache(*flavors), None)[0] == name


def test_a_named_flavor_is_taken_whatever_the_default_is() -> None:
    name, spec = find_flavor(cache(FLAVOR, flavor("gpu", shmSize="1Gi")), "gpu")
    assert (name, spec.shm_size) == ("gpu", "1Gi")


@pytest.mark.parametrize(
    ("seen", "name", "reason", "message"),
    [
        (cache(), None, "NoDefaultFlavor", "spec.flavor is empty and no DevServerFlavor has spec.default"),
        (cache(flavor("a")), None, "NoDefaultFlavor", "spec.default: true"),
        (cache(FLAVOR), "gpu", "FlavorNotFound", "spec.flavor: there is no DevServerFlavor 'gpu'"),
        (cache(flavor("gpu", deleting=True)), "gpu", "FlavorNotFound", "waiting for it"),
    ],
    ids=["no flavor", "no default", "no such flavor", "the flavor goes"],
)
def test_a_missing_flavor_is_waited_for(seen: Cache, name: str | None, reason: str, message: str) -> None:
    with pytest.raises(WaitingError) as error:
        find_flavor(seen, name)
    assert error.value.reason == reason
    assert message in error.value.message
    assert "Meanwhile" not in error.value.message


@pytest.mark.parametrize("named", ["gpu", None])
def test_a_devserver_whose_flavor_went_is_told_to_stay_as_it_is(named: str | None) -> None:
    with pytest.raises(WaitingError, match="Until then the DevServer stays as flavor 'gpu' defined it"):
        find_flavor(cache(), named, had="gpu")
