"""What the Python client makes of objects."""

from tests.unit.devctl.objects import server


def test_a_status_of_another_version_is_unreadable_and_no_error() -> None:
    box = server()
    box.object["status"] = {"conditions": "none", "ssh": 5}
    assert box.status.phase == "Unreadable"
