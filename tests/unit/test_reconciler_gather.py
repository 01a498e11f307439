"""From watched objects to the inputs of a program."""

from typing import Any

import pytest

from crds import DevServer
from reconciler.errors import Stalled, Waiting
from reconciler.expiry import parse_time
from reconciler.gather import devserver_inputs, find_flavor, flavor_inputs, parsed
from reconciler.queue import Key
from reconciler.settings import Settings
from reconciler.world import World
from stacks.devserver import DevServerChildren, DevServerInputs
from tests.builders import CREATED, ECDSA, ED25519, child_object, owner, resource, storage_class, world

Object = dict[str, Any]
NOW = parse_time(CREATED)
KEY = Key("DevServer", "dev-ada", "box")
HOME = DevServerChildren.of(owner()).home
FLAVOR = resource("DevServerFlavor", "cpu-small", default=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DEVSERVER_{name.upper()}", raising=False)


def gathered(
    *others: Object, settings: Settings | None = None, status: Object | None = None, **spec: Any
) -> DevServerInputs:
    """Inputs of a DevServer of this spec in a world that has these other objects too."""
    box = resource("DevServer", status=status, **spec)
    seen = world(box, FLAVOR, *others)
    return devserver_inputs(seen, KEY, box, settings or Settings(), "cluster-uid", NOW)


def flavor(name: str, created: str = CREATED, deleting: bool = False, **spec: Any) -> Object:
    made = resource("DevServerFlavor", name, **spec)
    made["metadata"]["creationTimestamp"] = created
    if deleting:
        made["metadata"]["deletionTimestamp"] = CREATED
    return made


def test_the_inputs_hold_what_the_program_needs() -> None:
    inputs = gathered(image="debian:trixie")
    assert inputs.owner == owner()
    assert inputs.spec.image == "debian:trixie"
    assert (inputs.flavor_name, inputs.flavor.default) == ("cpu-small", True)
    assert inputs.authorized_keys == (ED25519,)
    assert (inputs.time_to_live, inputs.expires_at, inputs.home_size) == (None, None, None)
    assert inputs.cluster_id == "cluster-uid"


def test_a_flavor_is_read_anew_when_the_watch_has_replaced_it() -> None:
    for size in ("1Gi", "2Gi", "1Gi"):
        assert find_flavor(world(flavor("gpu", shmSize=size)), "gpu")[1].shm_size == size


def test_settings_reach_the_inputs() -> None:
    settings = Settings(tools_image="tools:2", ssh_service_type="NodePort", default_time_to_live_s=3600)
    inputs = gathered(settings=settings)
    assert (inputs.tools_image, inputs.ssh_service_type) == ("tools:2", "NodePort")
    assert (inputs.time_to_live, inputs.expires_at) == ("3600s", "2030-01-01T09:00:00Z")
    assert inputs.warn_minutes == (15, 5)


def test_keys_are_checked_stripped_of_comments_and_named_once() -> None:
    ssh = {"publicKey": f"{ED25519} laptop", "additionalPublicKeys": [f"{ECDSA} desk", f"{ED25519} again"]}
    assert gathered(ssh=ssh).authorized_keys == (ED25519, ECDSA)


@pytest.mark.parametrize(
    ("ssh", "field"),
    [
        ({"publicKey": "ssh-ed25519 AAAA"}, "spec.ssh.publicKey is not a usable"),
        (
            {"publicKey": ED25519, "additionalPublicKeys": [ECDSA, "ssh-rsa AAAA"]},
            "spec.ssh.additionalPublicKeys[1] is not a usable",
        ),
    ],
)
def test_an_unusable_key_is_named_by_its_field(ssh: Object, field: str) -> None:
    with pytest.raises(Stalled) as error:
        gathered(ssh=ssh)
    assert field in error.value.message


# --- flavors


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
    assert find_flavor(world(*flavors), None)[0] == name


def test_a_named_flavor_is_taken_whatever_the_default_is() -> None:
    name, spec = find_flavor(world(FLAVOR, flavor("gpu", shmSize="1Gi")), "gpu")
    assert (name, spec.shm_size) == ("gpu", "1Gi")


@pytest.mark.parametrize(
    ("seen", "name", "reason", "message"),
    [
        (world(), None, "NoDefaultFlavor", "spec.flavor is empty and no DevServerFlavor has spec.default"),
        (world(flavor("a")), None, "NoDefaultFlavor", "spec.default: true"),
        (world(FLAVOR), "gpu", "FlavorNotFound", "spec.flavor: there is no DevServerFlavor 'gpu'"),
        (world(flavor("gpu", deleting=True)), "gpu", "FlavorNotFound", "waiting for it"),
    ],
    ids=["no flavor", "no default", "no such flavor", "the flavor goes"],
)
def test_a_missing_flavor_is_waited_for(seen: World, name: str | None, reason: str, message: str) -> None:
    with pytest.raises(Waiting) as error:
        find_flavor(seen, name)
    assert error.value.reason == reason
    assert message in error.value.message
    assert "Until then" not in error.value.message


@pytest.mark.parametrize("named", ["gpu", None])
def test_a_devserver_whose_flavor_went_is_told_to_stay_as_it_is(named: str | None) -> None:
    with pytest.raises(Waiting, match="Until then the DevServer stays as flavor 'gpu' defined it"):
        find_flavor(world(), named, had="gpu")


# --- homes


@pytest.mark.parametrize(
    ("asked", "live", "size"),
    [
        ("10Gi", None, "10Gi"),
        ("10Gi", "10Gi", "10Gi"),
        ("20Gi", "10Gi", "20Gi"),
        ("10Gi", "20Gi", "20Gi"),
        ("1024Mi", "1Gi", "1024Mi"),
        ("1G", "1Gi", "1Gi"),
        ("10Gi", "50e9", "50e9"),
    ],
    ids=[
        "new",
        "same",
        "grown",
        "grown by hand",
        "same in other units",
        "a little less",
        "grown by hand in other words",
    ],
)
def test_a_home_never_shrinks(asked: str, live: str | None, size: str) -> None:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": live}}}
    claim = [child_object(HOME, spec=spec, status={"phase": "Bound"})] if live else []
    fast = storage_class("fast", allowVolumeExpansion=True)
    assert gathered(*claim, fast, home={"size": asked}).home_size == size


def test_a_home_whose_storage_cannot_grow_is_left_as_it_is_and_the_rest_is_applied() -> None:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": "10Gi"}}}
    claim = child_object(HOME, spec=spec, status={"phase": "Bound"})
    assert gathered(claim, storage_class("fast"), home={"size": "20Gi"}).home_size == "10Gi"


def test_a_home_of_another_devserver_is_never_mounted() -> None:
    other = child_object(DevServerChildren.of(owner(name="other")).home)
    volumes = [
        {"claimName": "data", "mountPath": "/data"},
        {"claimName": "other-home", "mountPath": "/other"},
    ]
    with pytest.raises(Stalled) as error:
        gathered(other, volumes=volumes)
    assert error.value.reason == "ForeignHome"
    assert "spec.volumes[1].claimName: other-home is the home of a DevServer" in error.value.message


def test_a_claim_of_the_same_name_in_another_namespace_is_no_home_here() -> None:
    other = child_object(DevServerChildren.of(owner(name="other")).home)
    other["metadata"]["namespace"] = "dev-eve"
    gathered(other, volumes=[{"claimName": "other-home", "mountPath": "/other"}])


@pytest.mark.parametrize(
    ("live", "asked", "moves"),
    [
        ("fast", "slow", True),
        ("fast", "fast", False),
        ("fast", None, False),
        (None, "slow", False),
    ],
)
def test_a_home_that_exists_is_not_moved_to_another_storage_class(
    live: str | None, asked: str | None, moves: bool
) -> None:
    spec = {"resources": {"requests": {"storage": "1Gi"}}} | ({"storageClassName": live} if live else {})
    claim = child_object(DevServerChildren.of(owner()).home, spec=spec)
    home = {"size": "1Gi"} | ({"storageClassName": asked} if asked else {})
    if not moves:
        gathered(claim, home=home)
        return
    with pytest.raises(Stalled) as error:
        gathered(claim, home=home)
    assert error.value.reason == "HomeCannotMove"
    assert "spec.home.storageClassName: box-home has the class 'fast'" in error.value.message


# --- models


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({"owner": None}, ["spec.owner"]),
        ({"image": ""}, ["spec.image"]),
        ({"lifecycle": {"timeToLive": "1d"}}, ["spec.lifecycle.timeToLive"]),
        ({"lifecycle": {"timeToLive": "0s"}}, ["from 10s to 8760h"]),
        ({"unheardOf": 1}, ["spec.unheardOf"]),
        ({"image": "", "flavor": "?"}, ["spec.image", "spec.flavor"]),
    ],
)
def test_a_spec_that_does_not_fit_is_told_by_field(spec: Object, parts: list[str]) -> None:
    with pytest.raises(Stalled) as error:
        parsed(DevServer, resource("DevServer", **spec))
    assert error.value.reason == "InvalidSpec"
    for part in parts:
        assert part in error.value.message


def test_fields_of_a_newer_operators_status_are_ignored() -> None:
    assert parsed(DevServer, resource("DevServer", status={"news": 1})).status.expires_at is None


# --- flavors


def test_a_flavor_is_prewarmed_in_the_reconcilers_namespace() -> None:
    key = Key("DevServerFlavor", "", "cpu-small")
    inputs = flavor_inputs(world(), key, FLAVOR, Settings(namespace="elsewhere"), "cluster-uid", NOW)
    assert (inputs.namespace, inputs.owner.uid, inputs.spec.default) == ("elsewhere", "uid-cpu-small", True)


def test_the_end_of_time_is_taken_from_the_status_once_it_is_there() -> None:
    status = {"expiresAt": "2030-01-01T10:00:00Z", "timeToLive": "8h"}
    assert gathered(status=status, lifecycle={"timeToLive": "8h"}).expires_at == "2030-01-01T10:00:00Z"
