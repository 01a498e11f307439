"""What a volume is, and who has it."""

from typing import Any

from devctl.status import volumes
from tests.unit.devctl.objects import server


def claim(name: str, home_of: str | None = None) -> dict[str, Any]:
    annotations = {"devserver.io/retained-by": f"devserver.dev-alice.{home_of}"} if home_of else {}
    return {"metadata": {"name": name, "namespace": "dev-alice", "annotations": annotations}}


def test_a_volume_is_a_home_in_use_a_retained_home_in_use_or_unused() -> None:
    box = server(spec={"home": {"size": "1Gi"}, "volumes": [{"claimName": "data", "mountPath": "/data"}]})
    claims = [claim("box-home", "box"), claim("old-home", "old"), claim("data"), claim("spare")]
    found = {volume.name: (volume.use, volume.users) for volume in volumes.volumes_of(claims, [box.object])}
    assert found == {
        "box-home": ("home in use", ("box",)),
        "old-home": ("retained home", ()),
        "data": ("in use", ("box",)),
        "spare": ("unused", ()),
    }
