"""From watched objects to the inputs of a program."""

from typing import Any

import pytest

from crds import DevServer
from crds.times import parse_time
from reconciler.settings import Settings
from reconciler.status.errors import StalledError
from stacks.devserver.program import DevServerChildren, DevServerInputs
from tests.builders import CREATED, ECDSA, ED25519, child_object, kinds, owner, resource, storage_class

Object = dict[str, Any]
NOW = parse_time(CREATED)
HOME = DevServerChildren.of(owner()).home
FLAVOR = resource("DevServerFlavor", "cpu-small", default=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DEVSERVER_{name.upper()}", raising=False)


def gathered(
    *others: Object, settings: Settings | None = None, status: Object | None = None, **spec: Any
) -> DevServerInputs:
    """Inputs of a DevServer of this spec where there are these other objects too."""
    box = resource("DevServer", status=status, **spec)
    known = kinds(box, FLAVOR, *others, settings=settings or Settings()).devserver
    return known.inputs(box, DevServer.model_validate(box), NOW)


def test_the_inputs_hold_what_the_program_needs() -> None:
    inputs = gathered(image="debian:trixie")
    assert inputs.owner == owner()
    assert inputs.spec.image == "debian:trixie"
    assert (inputs.flavor_name, inputs.flavor.default) == ("cpu-small", True)
    assert inputs.authorized_keys == (ED25519,)
    assert (inputs.time_to_live, inputs.expires_at, inputs.home_size) == (None, None, None)
    assert inputs.cluster_id == "cluster-uid"


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
    with pytest.raises(StalledError) as error:
        gathered(ssh=ssh)
    assert field in error.value.message


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
    with pytest.raises(StalledError) as error:
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
    with pytest.raises(StalledError) as error:
        gathered(claim, home=home)
    assert error.value.reason == "HomeCannotMove"
    assert "spec.home.storageClassName: box-home has the class 'fast'" in error.value.message


def test_the_end_of_time_is_taken_from_the_status_once_it_is_there() -> None:
    status = {"expiresAt": "2030-01-01T10:00:00Z", "timeToLive": "8h"}
    assert gathered(status=status, lifecycle={"timeToLive": "8h"}).expires_at == "2030-01-01T10:00:00Z"
