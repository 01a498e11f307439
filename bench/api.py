"""A small client of the API server. Objects are plain dicts, as on the wire.

It is the bench's own, so that a faster or slower client of the operator changes no figure of the bare calls.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from bench.errors import BenchError
from bench.report import note

Object = dict[str, Any]

FIELD_MANAGER = "devserver-bench"
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_WATCH_TIMEOUT_S = 3600
_RESUME_S = 0.1
# A watched object can be large; the default of aiohttp is a line of 64 KiB.
_LONGEST_LINE = 8 << 20


class Refused(BenchError):
    """The API server refused a request. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Api:
    """Requests to one API server; paths are URL paths."""

    session: aiohttp.ClientSession

    async def get(self, path: str) -> Object:
        """The object, or the list of a collection."""
        return await self._request("GET", path)

    async def create(self, path: str, body: Object) -> Object:
        """Create an object in the collection at `path`."""
        return await self._request("POST", path, body)

    async def apply(self, path: str, body: Object) -> Object:
        """Server-side apply of the object at `path`."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request("PATCH", path, body, "application/apply-patch+yaml", query)

    async def merge(self, path: str, body: Object) -> Object:
        """Merge patch of the object at `path`."""
        return await self._request("PATCH", path, body, "application/merge-patch+json")

    async def delete(self, path: str, uid: str) -> bool:
        """Delete the object if it still is that of the uid; whether it was."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", path, body)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise
            return False
        return True

    async def watch(self, path: str, selector: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        """Changes of a collection since a resourceVersion, as type and object, until the API server ends it."""
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_TIMEOUT_S),
        }
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get(path, params=query, timeout=timeout) as response:
            response.raise_for_status()
            async for line in response.content:
                event = json.loads(line)
                yield event["type"], event["object"]

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self.session.request(method, path, params=query, data=data, headers=headers) as response:
            answer = await response.read()
            if response.status >= 400:
                raise Refused(response.status, f"{method} {path}: {_message(answer)}")
        parsed: Object = json.loads(answer)
        return parsed


def _message(answer: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(answer).get("message"))
    return answer[:300].decode(errors="replace")


def _signed_in(kubeconfig: Path, directory: Path) -> tuple[str, ssl.SSLContext]:
    """The API server's URL, and with what to connect to it."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    pair = directory / "client.pem"
    pair.touch(mode=0o600)
    pair.write_bytes(
        base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
    )
    context.load_cert_chain(pair)
    pair.unlink()
    return cluster["server"], context


@asynccontextmanager
async def connect(kubeconfig: Path, directory: Path, connections: int) -> AsyncIterator[Api]:
    """A client that signs in as the kubeconfig says. directory: private, for the client's certificate.

    The cluster's own authority counts, whatever SSL_CERT_FILE and its like say, and no proxy is used.
    """
    server, context = _signed_in(kubeconfig, directory)
    async with aiohttp.ClientSession(
        base_url=server,
        connector=aiohttp.TCPConnector(ssl=context, limit=connections),
        timeout=_TIMEOUT,
        read_bufsize=_LONGEST_LINE,
    ) as session:
        yield Api(session)


# Called with an object's name and what it is now; None: it is gone.
OnChange = Callable[[str, Object | None], None]


@dataclass
class Follower:
    """A collection kept equal to what the API server holds, while it is entered.

    objects: by name. listeners: told of every change.
    """

    api: Api
    path: str
    selector: str = ""
    objects: dict[str, Object] = field(default_factory=dict)
    listeners: list[OnChange] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        listed = await self.api.get(f"{self.path}?labelSelector={self.selector}")
        self.objects = {item["metadata"]["name"]: item for item in listed["items"]}
        self._task = asyncio.create_task(self._follow(listed["metadata"]["resourceVersion"]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def wait_for(
        self, names: set[str], holds: Callable[[Object | None], bool], what: str, timeout_s: float
    ) -> None:
        """Wait until `holds` is true of each object. Raises BenchError after timeout_s, or if the watch fails."""
        pending = {name for name in names if not holds(self.objects.get(name))}
        changed = asyncio.Event()

        def look(name: str, obj: Object | None) -> None:
            if name in pending and holds(obj):
                pending.discard(name)
                changed.set()

        self.listeners.append(look)
        try:
            async with asyncio.timeout(timeout_s):
                while pending:
                    changed.clear()
                    waiting = asyncio.create_task(changed.wait())
                    await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if self._task.done():
                        # It has failed, for it has no other end.
                        await self._task
        except TimeoutError:
            some = ", ".join(sorted(pending)[:3])
            raise BenchError(
                f"not within {timeout_s:.0f} s: {what}; {len(pending)} are missing: {some}"
            ) from None
        finally:
            self.listeners.remove(look)

    async def _follow(self, version: str) -> None:
        """Follow without end: the API server may close a watch at any time, which then goes on where it was."""
        while True:
            try:
                async for type_, obj in self.api.watch(self.path, self.selector, version):
                    if type_ not in ("ADDED", "MODIFIED", "DELETED"):
                        raise BenchError(f"watch of {self.path}: {obj.get('message', type_)}")
                    version = obj["metadata"]["resourceVersion"]
                    self._take_up(obj["metadata"]["name"], None if type_ == "DELETED" else obj)
            except aiohttp.ClientError as error:
                note(f"the watch of {self.path} broke and is resumed: {error!r}")
                await asyncio.sleep(_RESUME_S)

    def _take_up(self, name: str, now: Object | None) -> None:
        if now is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = now
        for listener in tuple(self.listeners):
            listener(name, now)
