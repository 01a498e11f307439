"""`devctl describe`; what strangers chose is inert."""

from typing import Any

import pytest

from devctl.client import DevServer
from devctl.display import description
from tests.unit.devctl.objects import CLIENT, EVIL, NOW, assert_inert, hostile, printed


def facts(obj: dict[str, Any]) -> description.Facts:
    meta = {"name": EVIL, "uid": EVIL, "creationTimestamp": EVIL, "labels": {}}
    pod = {"metadata": meta, "spec": {"nodeName": EVIL}, "status": {"phase": EVIL}}
    event = {
        "metadata": {},
        "lastTimestamp": "2030-01-02T11:59:00Z",
        "reason": EVIL,
        "message": EVIL,
        "type": EVIL,
    }
    return description.Facts(DevServer(CLIENT, obj), [("Pod", pod)], [event])


@pytest.mark.parametrize("width", [40, 200])
def test_a_hostile_devserver_is_inert_when_described(width: int) -> None:
    assert_inert(printed(description.described(facts(hostile()), NOW), width))


def test_the_description_tells_what_a_user_asks() -> None:
    obj = hostile()
    obj["metadata"].update(name="box", namespace="dev-alice")
    obj["status"]["lastUpdate"] = {
        "time": "2030-01-02T11:58:30Z",
        "durationSeconds": 2.34,
        "changes": {"create": 2, "same": 3},
    }
    text = printed(description.described(facts(obj), NOW))
    for said in (
        "6h of 8h left",
        "2 create, 3 same",
        "1m30s ago",
        "took 2.3 s",
        "Conditions",
        "Events",
        "Children",
    ):
        assert said in text
