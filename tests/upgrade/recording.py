"""A recording: what etcd held when an earlier version had made the DevServers of shapes.py and was stopped."""

import io
import json
import lzma
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tests.upgrade.etcd import Entry

RECORDINGS = Path(__file__).parent / "recordings"
# A member of the archive is a key, and its pax header of this name the revision.
_REVISION = "etcd.revision"


@dataclass(frozen=True)
class Recording:
    """One of the directories below recordings/.

    version: which code made it. recorded_at: when, an RFC 3339 time. service_cidr: of the cluster.
    settings: of the operator, as environment variables.
    """

    version: str
    recorded_at: str
    service_cidr: str
    settings: dict[str, str]

    @classmethod
    def load(cls, name: str) -> "Recording":
        return cls(**json.loads((RECORDINGS / name / "recording.json").read_text()))

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.recorded_at)

    @property
    def _archive(self) -> Path:
        return RECORDINGS / self.version / "etcd.tar.xz"

    def save(self, entries: Iterable[Entry]) -> None:
        """Write it with the keys that it consists of."""
        self._archive.parent.mkdir(parents=True, exist_ok=True)
        (self._archive.parent / "recording.json").write_text(json.dumps(asdict(self), indent=1) + "\n")
        with (
            lzma.open(self._archive, "wb", preset=9 | lzma.PRESET_EXTREME) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for entry in sorted(entries, key=lambda entry: entry.key):
                member = tarfile.TarInfo(entry.key.removeprefix("/"))
                member.size = len(entry.value)
                member.pax_headers = {_REVISION: str(entry.revision)}
                archive.addfile(member, io.BytesIO(entry.value))

    def entries(self) -> list[Entry]:
        with tarfile.open(self._archive) as archive:
            return [_entry(archive, member) for member in archive.getmembers()]


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    file = archive.extractfile(member)
    assert file is not None
    return Entry(f"/{member.name}", file.read(), int(member.pax_headers[_REVISION]))


def names() -> list[str]:
    """The names of all recordings."""
    return sorted(path.parent.name for path in RECORDINGS.glob("*/recording.json"))
