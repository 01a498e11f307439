"""What devctl decides without a cluster: texts, standings, drafts, keys, advice, volumes."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devctl import advice, drafts, homes, keys
from devctl.client import Client, DevServer
from devctl.config import Config
from devctl.errors import DevctlError, Forbidden, Misuse, NoAnswer, NotFound, Refused, Unreachable
from devctl.identity import owner_name
from devctl.people import manifest as user_manifest
from devctl.progress import Stage, standing
from devctl.refusals import refusal
from devctl.session import Session
from devctl.text import ahead, inert, nearest, span

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def public_key(comment: str = "") -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}".strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Jürgen 東京", "Jürgen 東京"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\nlines", "two\\nlines"),
        ("back\rward", "back\\rward"),
        ("bidi \u202eevil", "bidi \\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("bell\x07nul\x00", "bell\\x07nul\\x00"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("[red]markup[/red]", "[red]markup[/red]"),
    ],
)
def test_what_a_terminal_could_obey_is_escaped(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (8, "8s"), (90, "1m30s"), (3600, "1h"), (7500, "2h5m"), (90061, "1d1h"), (-5, "0s")],
)
def test_a_span_has_its_two_largest_units(seconds: int, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown


def test_a_time_that_is_past_or_nonsense_is_no_time_left() -> None:
    assert ahead("2030-01-02T11:00:00Z", NOW) == "now"
    assert ahead("2030-01-02T15:30:00Z", NOW) == "3h30m"
    assert ahead("soon", NOW) == ahead(None, NOW) == "-"


def test_a_mistyped_word_gets_the_nearest_known_one() -> None:
    assert nearest("flavour", ["flavor", "image"]) == " (did you mean flavor?)"
    assert nearest("zzz", ["flavor", "image"]) == ""


# --- standings --------------------------------------------------------------------------------------------------------


def condition(type_: str, status: str, reason: str, generation: int = 2) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "m",
        "observedGeneration": generation,
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }


def server(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any) -> DevServer:
    obj = {
        "metadata": {"name": "box", "namespace": "dev-alice", "generation": 2, "uid": "u1", **metadata},
        "spec": spec or {},
        "status": {"conditions": list(conditions)},
    }
    return DevServer(Client(Session(Config(), None, None, "dev-alice", "table")), obj)


@pytest.mark.parametrize(
    ("conditions", "stage", "reason"),
    [
        ([], Stage.WAITING, "NotSeen"),
        ([condition("Ready", "True", "PodReady")], Stage.READY, "PodReady"),
        ([condition("Ready", "True", "PodReady", 1)], Stage.WAITING, "Applying"),
        ([condition("Ready", "False", "Stopped")], Stage.STOPPED, "Stopped"),
        ([condition("Ready", "False", "Unschedulable")], Stage.WAITING, "Unschedulable"),
        ([condition("Ready", "False", "ContainerRestarting")], Stage.WAITING, "ContainerRestarting"),
        ([condition("Ready", "False", "ImagePullBackOff")], Stage.FAILED, "ImagePullBackOff"),
        ([condition("Ready", "False", "CrashLoopBackOff")], Stage.FAILED, "CrashLoopBackOff"),
        (
            [condition("Ready", "False", "X"), condition("Stalled", "True", "InvalidSpec")],
            Stage.FAILED,
            "InvalidSpec",
        ),
        (
            [condition("Ready", "True", "PodReady", 1), condition("Stalled", "True", "InvalidSpec", 1)],
            Stage.WAITING,
            "Applying",
        ),
        (
            [condition("Ready", "False", "X"), condition("Reconciling", "True", "QuotaExceeded")],
            Stage.WAITING,
            "QuotaExceeded",
        ),
    ],
)
def test_a_devserver_stands_where_its_present_spec_does(
    conditions: list[dict[str, Any]], stage: Stage, reason: str
) -> None:
    found = standing(server(*conditions).object)
    assert (found.stage, found.reason) == (stage, reason)


def test_a_devserver_that_is_being_deleted_is_not_ready() -> None:
    ending = server(condition("Ready", "True", "PodReady"), deletionTimestamp="2030-01-01T00:00:00Z")
    assert ending.standing.stage is Stage.ENDING


def test_a_status_of_another_version_is_unreadable_and_no_error() -> None:
    box = server()
    box.object["status"] = {"conditions": "none", "ssh": 5}
    assert box.status.phase == "Unreadable"


# --- drafts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("data:/data", {"claimName": "data", "mountPath": "/data", "readOnly": False}),
        ("data:/data:rw", {"claimName": "data", "mountPath": "/data", "readOnly": False}),
        ("data:/data:ro", {"claimName": "data", "mountPath": "/data", "readOnly": True}),
    ],
)
def test_a_volume_is_a_claim_and_a_path(text: str, mount: dict[str, Any]) -> None:
    assert drafts.volume(text) == mount


@pytest.mark.parametrize("text", ["data", "data:/data:rx", "data:/a:ro:b", ""])
def test_what_is_no_volume_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(Misuse, match="PVC:/path"):
        drafts.volume(text)


def test_made_up_names_are_valid_and_differ() -> None:
    names = {drafts.made_up_name() for _ in range(50)}
    assert len(names) > 40
    for name in names:
        drafts.check_name(name)


@pytest.mark.parametrize(
    "name", ["Box", "-box", "box-", "a" * 53, "box-ssh", "1box", "bo x", "box\n", "--force", ""]
)
def test_what_is_no_name_is_refused_before_the_cluster_is_asked(name: str) -> None:
    with pytest.raises(Misuse, match=r"is no name of a DevServer: metadata\.name must"):
        drafts.check_name(name)


def test_extending_adds_to_the_present_end_not_to_the_creation() -> None:
    created, expires = NOW - timedelta(hours=6), NOW + timedelta(hours=2)
    assert drafts.extended(created, expires, timedelta(hours=4)) == "12h"
    assert drafts.extended(created, expires, timedelta(minutes=90, seconds=1)) == "9h30m1s"


def test_extending_by_nothing_or_beyond_a_year_is_refused() -> None:
    with pytest.raises(Misuse, match="--by must be more than nothing"):
        drafts.extended(NOW, NOW, timedelta())
    with pytest.raises(Misuse, match="365 days"):
        drafts.extended(NOW, NOW, timedelta(days=366))


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_read_from_its_file_with_its_comment(tmp_path: Path) -> None:
    line = public_key("alice@laptop")
    (tmp_path / "id.pub").write_text(f"# mine\n{line}\n\n")
    assert keys.read(str(tmp_path / "id.pub")) == line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n", "is a private key, which stays with you"),
        (b"", "is no public key"),
        (b"\xff\xfe\x00", "is no public key"),
        (b"ssh-ed25519 AAAA\nssh-ed25519 BBBB\n", "is no public key: it must hold one line"),
        (b"ssh-ed25519 AAAAnonsense\n", "it is damaged"),
        (b'command="rm" ssh-ed25519 AAAA\n', "options in front are not accepted"),
        (b"ssh-dss AAAAB3NzaC1kc3M=\n", "out of use"),
        ("ssh-ed25519 AAAA Jürgen\n".encode(), "not ASCII"),
    ],
)
def test_what_is_no_public_key_is_refused_by_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "id"
    file.write_bytes(content)
    with pytest.raises(Misuse, match=message):
        keys.read(str(file))


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    line = "ssh-ed25519 " + base64.b64encode(b"abc").decode()
    assert keys.fingerprint(line) == "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"
    assert keys.fingerprint("ssh-ed25519") == "damaged"


def test_a_key_is_added_once_whatever_its_comment() -> None:
    one, two = public_key(), public_key()
    assert keys.merged([one], [f"{one} again", two, two]) == [one, two]


def test_a_key_is_removed_by_fingerprint_comment_or_itself() -> None:
    lines = [public_key("a"), public_key("b"), public_key("c"), public_key()]
    left = keys.without(lines, [keys.fingerprint(lines[0]), "b", lines[2]])
    assert left == [lines[3]]


def test_the_last_key_an_unknown_and_an_ambiguous_one_are_not_removed() -> None:
    lines = [public_key("same"), public_key("same")]
    for wanted, message in (
        (["other"], "no key is 'other'"),
        (["same"], "2 keys have the comment"),
        ([keys.fingerprint(line) for line in lines], "no key would be left"),
    ):
        with pytest.raises(Misuse, match=message):
            keys.without(lines, wanted)


def test_more_than_seventeen_keys_are_too_many() -> None:
    lines = [public_key() for _ in range(18)]
    assert keys.patch(lines[:17])["ssh"]["publicKey"] == lines[0]
    with pytest.raises(Misuse, match="18 keys are too many"):
        keys.patch(lines)


# --- advice -----------------------------------------------------------------------------------------------------------


def flavor(name: str, schedulable: str | None, cpu: str = "1", **extra: Any) -> dict[str, Any]:
    status = {"schedulable": schedulable, "reason": "NoNodeFits", "message": "no node has 64 CPUs"}
    return {
        "metadata": {"name": name, "creationTimestamp": extra.pop("created", "2030-01-01T00:00:00Z")},
        "spec": {
            "resources": {"requests": {"cpu": cpu, "memory": "1Gi", **extra.pop("requests", {})}},
            **extra,
        },
        "status": status if schedulable else {},
    }


def test_the_oldest_default_flavor_is_the_default_one() -> None:
    found = [
        flavor("b", "Yes", default=True, created="2030-01-02T00:00:00Z"),
        flavor("c", "Yes", default=True, created="2030-01-01T00:00:00Z"),
        flavor("a", "Yes"),
    ]
    assert advice.default_of(found) == "c"
    assert advice.default_of(found[2:]) is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("small", ""),
        ("unknown-yet", ""),
        (
            "huge",
            "flavor huge is not schedulable now (no node has 64 CPUs); medium is the nearest that is",
        ),
        ("gpu", "flavor gpu is not schedulable now (no node has 64 CPUs); no other is"),
        ("smal", "there is no flavor smal (did you mean small?): the DevServer would wait for it"),
        (
            None,
            "no flavor is named and the cluster has no default one: name one with --flavor, see devctl flavors",
        ),
    ],
)
def test_a_hint_names_what_is_wrong_with_a_flavor_and_the_nearest_that_fits(
    wanted: str | None, said: str
) -> None:
    found = [
        flavor("small", "Yes", "500m"),
        flavor("medium", "Yes", "4"),
        flavor("large", "No", "32"),
        flavor("huge", "No", "64"),
        flavor("gpu", "No", "8", requests={"nvidia.com/gpu": "1"}),
        flavor("unknown-yet", None),
    ]
    assert advice.hint(found, wanted) == said


# --- volumes, users, owners -------------------------------------------------------------------------------------------


def claim(name: str, home_of: str | None = None) -> dict[str, Any]:
    annotations = {"devserver.io/retained-by": f"devserver.dev-alice.{home_of}"} if home_of else {}
    return {"metadata": {"name": name, "namespace": "dev-alice", "annotations": annotations}}


def test_a_volume_is_a_home_in_use_a_retained_home_in_use_or_unused() -> None:
    box = server(spec={"home": {"size": "1Gi"}, "volumes": [{"claimName": "data", "mountPath": "/data"}]})
    claims = [claim("box-home", "box"), claim("old-home", "old"), claim("data"), claim("spare")]
    found = {volume.name: (volume.use, volume.users) for volume in homes.volumes(claims, [box])}
    assert found == {
        "box-home": ("home in use", ("box",)),
        "old-home": ("retained home", ()),
        "data": ("in use", ("box",)),
        "spare": ("unused", ()),
    }


@pytest.mark.parametrize(
    ("name", "namespace", "owner"),
    [
        ("alice@example.com", "dev-alice", "alice@example.com"),
        ("system:serviceaccount:dev-alice:alice", "dev-alice", "alice"),
        ("system:serviceaccount:dev-alice:alice", "shared", "system:serviceaccount:dev-alice:alice"),
        ("system:serviceaccount:dev-alice:bob", "dev-alice", "system:serviceaccount:dev-alice:bob"),
        ("system:serviceaccount:default:default", "default", "system:serviceaccount:default:default"),
    ],
)
def test_the_owner_is_the_user_or_the_person_of_the_service_account(
    name: str, namespace: str, owner: str
) -> None:
    assert owner_name(name, namespace) == owner


def test_a_user_has_a_name_and_bounds() -> None:
    made = user_manifest("alice", keep=False, quota=["pods=5", "requests.cpu=4"])
    assert made["spec"] == {
        "username": "alice",
        "deletionPolicy": "Delete",
        "quotas": {"resourceQuotaSpec": {"hard": {"pods": "5", "requests.cpu": "4"}}},
    }


@pytest.mark.parametrize(
    ("name", "quota", "message"),
    [
        ("Alice", [], "USER: "),
        ("alice", ["pods"], "RESOURCE=QUANTITY"),
        ("alice", ["pods=many"], "--quota: "),
    ],
)
def test_what_is_no_user_is_refused_by_its_option(name: str, quota: list[str], message: str) -> None:
    with pytest.raises(Misuse, match=message):
        user_manifest(name, keep=True, quota=quota)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind", "said"),
    [
        (401, "Unauthorized", "Unauthorized", Unreachable, "has expired"),
        (
            403,
            "Forbidden",
            'devservers is forbidden: User "bob" cannot list',
            Forbidden,
            "you may not do that",
        ),
        (403, "Forbidden", "pods is forbidden: exceeded quota: q", Refused, "exceeded quota: q"),
        (404, "NotFound", 'devservers "box" not found', NotFound, "there is no DevServer box"),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            NotFound,
            "CRDs are not installed",
        ),
        (409, "AlreadyExists", "already exists", Refused, "DevServer box exists already"),
        (409, "Conflict", "the object has been modified", Refused, "changed by someone else"),
        (422, "Invalid", "spec.image: bad", Refused, "refuses DevServer box: spec.image: bad"),
        (429, "", "slow down", NoAnswer, "cannot answer now"),
        (503, "", "", NoAnswer, "cannot answer now (503)"),
        (418, "", "", DevctlError, "418"),
    ],
)
def test_a_refusal_says_what_it_means(
    status: int, reason: str, message: str, kind: type[DevctlError], said: str
) -> None:
    error = refusal(status, reason, message, "DevServer box")
    assert type(error) is kind
    assert said in error.message
