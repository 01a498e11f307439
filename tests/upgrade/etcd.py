"""etcd's keys, read and written through its JSON gateway."""

import base64
import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# What revisions are used up with that belong to nobody's key.
_FILLER = "filler"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Entry:
    """A key as it lies in etcd. revision: of etcd when it was written, which is the object's resourceVersion."""

    key: str
    value: bytes
    revision: int


class Etcd:
    """An etcd that listens on a port of this host."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)

    def close(self) -> None:
        self._connection.close()

    def entries(self, prefix: str) -> list[Entry]:
        """All keys that begin so, as they are at one moment; without those that go by themselves, such as Events."""
        found = self._call("range", key=_encoded(prefix.encode()), range_end=_encoded(_after(prefix)))
        return [
            Entry(
                key=base64.b64decode(item["key"]).decode(),
                value=base64.b64decode(item.get("value", "")),
                revision=int(item["mod_revision"]),
            )
            for item in found.get("kvs", [])
            if "lease" not in item
        ]

    def restore(self, entries: Iterable[Entry]) -> None:
        """Write the entries so that each has its revision again. This etcd must be new."""
        revision = 1
        for entry in sorted(entries, key=lambda entry: entry.revision):
            while revision < entry.revision - 1:
                revision = self._put(_FILLER, b"")
            revision = self._put(entry.key, entry.value)
            assert revision == entry.revision, f"{entry.key} has revision {revision}, not {entry.revision}"

    def _put(self, key: str, value: bytes) -> int:
        answer = self._call("put", key=_encoded(key.encode()), value=_encoded(value))
        return int(answer["header"]["revision"])

    def _call(self, method: str, **parameters: str) -> dict[str, Any]:
        self._connection.request("POST", f"/v3/kv/{method}", json.dumps(parameters))
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, f"etcd answers {method} with {answer.status}: {text!r}"
        return dict(json.loads(text))


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _after(prefix: str) -> bytes:
    """The first key after all that begin with the prefix."""
    return prefix[:-1].encode() + bytes([ord(prefix[-1]) + 1])
