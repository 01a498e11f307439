"""When an image that cannot be pulled counts as told of."""

from typing import Any

import pytest

from bench.promises import devserver_says, pod_says


def pod(reason: str) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}}


def test_an_image_that_cannot_be_is_told_of_by_the_pod_first() -> None:
    assert [pod_says(it) for it in (None, {}, pod("PodInitializing"), pod("InvalidImageName"))] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("type_", "reason", "says"),
    [
        ("Ready", "InvalidImageName", True),
        ("Ready", "PodStarting", False),
        ("Reconciling", "InvalidImageName", False),
    ],
)
def test_the_devserver_tells_of_it_in_the_condition_ready(type_: str, reason: str, says: bool) -> None:
    assert devserver_says({"status": {"conditions": [{"type": type_, "reason": reason}]}}) is says
    assert not devserver_says(None)
