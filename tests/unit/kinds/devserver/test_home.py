"""How large a home is to be, and what is told of one that is not."""

from typing import Any

import pytest

from reconciler.kinds.devserver.home import shortfall, size_to_ask_for
from stacks.devserver.program import DevServerChildren
from tests.builders import child_object, owner, storage_class

Object = dict[str, Any]
HOME = DevServerChildren.of(owner()).home
GROWS = storage_class(allowVolumeExpansion=True)
BOUND: Object = {"phase": "Bound", "capacity": {"storage": "10Gi"}}


def claim(size: str = "10Gi", status: Object | None = None) -> Object:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}
    return child_object(HOME, spec=spec, status=BOUND if status is None else status)


@pytest.mark.parametrize(
    ("wanted", "live", "class_", "asked"),
    [
        ("20Gi", claim(), GROWS, "20Gi"),
        ("20Gi", claim(status={"phase": "Pending"}), GROWS, "10Gi"),
        ("20Gi", claim(status={"phase": "Lost"}), GROWS, "10Gi"),
        ("20Gi", claim(status={}), GROWS, "10Gi"),
        ("20Gi", claim(), storage_class(), "10Gi"),
        ("20Gi", claim(), storage_class(allowVolumeExpansion=False), "10Gi"),
        ("20Gi", claim(), None, "10Gi"),
        ("10Gi", claim(), storage_class(), "10Gi"),
        ("5Gi", claim(), GROWS, "10Gi"),
        ("20Gi", None, None, "20Gi"),
    ],
    ids=[
        "bound and growing",
        "not bound",
        "its volume is lost",
        "just made",
        "the class says nothing",
        "the class forbids it",
        "the class is gone",
        "nothing to do",
        "never shrunk",
        "new",
    ],
)
def test_a_home_is_asked_to_grow_only_where_it_can(
    wanted: str, live: Object | None, class_: Object | None, asked: str
) -> None:
    assert size_to_ask_for(wanted, live, class_) == asked


@pytest.mark.parametrize(
    ("wanted", "live", "class_", "reason", "words"),
    [
        (
            "20Gi",
            claim(status={"phase": "Pending"}),
            GROWS,
            "HomeNotBound",
            "Once bound, it is expanded to 20Gi",
        ),
        ("20Gi", claim(), storage_class(), "HomeCannotExpand", "box-home stays at 10Gi instead of 20Gi"),
        ("20Gi", claim("20Gi"), GROWS, "HomeExpanding", "box-home has 10Gi of 20Gi"),
        # By hand, further than the spec says.
        ("10Gi", claim("20Gi"), GROWS, "HomeExpanding", "box-home has 10Gi of 20Gi"),
        (
            "20Gi",
            claim("20Gi", BOUND | {"conditions": [{"status": "True", "message": "Restart the pod."}]}),
            GROWS,
            "HomeExpanding",
            "Restart the pod.",
        ),
    ],
)
def test_a_home_that_is_smaller_than_asked_says_why(
    wanted: str, live: Object, class_: Object, reason: str, words: str
) -> None:
    told = shortfall(wanted, live, class_)
    assert told is not None
    assert (told.status, told.reason, told.warns) == ("True", reason, reason == "HomeCannotExpand")
    assert words in told.message


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ("10Gi", claim()),
        ("20Gi", claim()),
        ("10Gi", claim(status={"phase": "Pending"})),
        ("10Gi", claim(status={})),
        ("10240Mi", claim(status=BOUND | {"capacity": {"storage": "12Gi"}})),
    ],
    ids=["as asked", "about to be asked for", "not bound yet", "just made", "more than asked"],
)
def test_nothing_is_said_of_a_home_that_is_as_asked(wanted: str, live: Object) -> None:
    assert shortfall(wanted, live, GROWS) is None
