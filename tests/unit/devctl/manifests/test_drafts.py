"""Manifests of new DevServers, their names, and how long they live."""

from datetime import timedelta
from typing import Any

import pytest

from devctl.errors import Misuse
from devctl.manifests import drafts
from tests.unit.devctl.objects import NOW


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
    with pytest.raises(Misuse, match=r"is not a valid DevServer name: metadata\.name must"):
        drafts.check_name(name)


def test_extending_adds_to_the_present_end_not_to_the_creation() -> None:
    created, expires = NOW - timedelta(hours=6), NOW + timedelta(hours=2)
    assert drafts.extended(created, expires, timedelta(hours=4)) == "12h"
    assert drafts.extended(created, expires, timedelta(minutes=90, seconds=1)) == "9h30m1s"


def test_extending_by_nothing_or_beyond_a_year_is_refused() -> None:
    with pytest.raises(Misuse, match="--by must be more than zero"):
        drafts.extended(NOW, NOW, timedelta())
    with pytest.raises(Misuse, match="365 days"):
        drafts.extended(NOW, NOW, timedelta(days=366))
