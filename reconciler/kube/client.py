"""The Kubernetes API: the one module that sends requests to it. Objects are plain dicts, as on the wire.

It is longer than most, so that all requests stand on one page.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, get_args

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException

from crds.resources import Resource
from reconciler.kube.configuration import configuration
from reconciler.kube.objects import EventType, Object, WatchEvent

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_REQUEST_TIMEOUT_S = 30.0


class ApiError(Exception):
    """The API server refused a request or could not be reached.

    status: the HTTP status, 0 if there was no answer.
    reason: the API server's machine-readable reason, for example `Conflict`.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else message)
        self.status = status
        self.reason = reason
        self.message = message


@dataclass
class Client:
    """Requests to one API server.

    clock_offset_s: how far the API server's clock was ahead of ours at the last answer, in seconds
        (to within the second that the Date header has).
    on_return: called when the API server answers again after requests that had no answer.
    """

    _api: client.ApiClient
    _fence: Callable[[str], None] = lambda method: None
    clock_offset_s: float = field(default=0.0, init=False)
    on_return: Callable[[], None] | None = field(default=None, init=False)
    _is_away: bool = field(default=False, init=False)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object as it is now, never from a cache; None if there is none."""
        try:
            return await self._json("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list_all(
        self,
        resource: Resource,
        namespace: str = "",
        selector: str = "",
        fields: str = "",
        transform: Callable[[Object], Object] = lambda item: item,
    ) -> tuple[list[Object], str]:
        """All objects that match the label and field selectors, and the resourceVersion to watch from.

        transform: reduces each object to what is wanted of it, so that one page at most is in memory as a whole.
        """
        items: list[Object] = []
        query = {"limit": "500", "labelSelector": selector, "fieldSelector": fields}
        while True:
            page = await self._json("GET", resource.path(namespace), query=query)
            items += map(transform, page.get("items", []))
            query = {**query, "continue": page["metadata"].get("continue", "")}
            if not query["continue"]:
                return items, page["metadata"]["resourceVersion"]

    async def watch(
        self,
        resource: Resource,
        namespace: str,
        selector: str,
        version: str,
        timeout_s: int,
        silence_s: float,
        heard: Callable[[], None] = lambda: None,
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Changes since a resourceVersion, until the API server ends the request after timeout_s.

        heard: called when the API server has taken the request up, and for every line of it.

        Raises ApiError with status 410 when the version is too old, and TimeoutError when the
        connection brings nothing, not even a bookmark, for silence_s.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "labelSelector": selector,
            "fieldSelector": fields,
            "timeoutSeconds": str(timeout_s),
        }
        path = resource.path(namespace)
        # A connection that was accepted may be silent from its first byte on.
        async with asyncio.timeout(min(silence_s, _REQUEST_TIMEOUT_S)):
            response = await self._send("GET", path, query=query, timeout_s=timeout_s + silence_s)
        heard()
        try:
            while True:
                async with asyncio.timeout(silence_s):
                    line = await response.content.readline()
                if not line:
                    return
                heard()
                event = _parsed(line, f"watch of {resource.plural}")
                type_: Any = event.get("type")
                obj = event.get("object", {})
                if type_ not in get_args(EventType):
                    # ERROR, whose object says why.
                    raise ApiError(obj.get("code", 0), obj.get("reason", ""), obj.get("message", ""))
                yield WatchEvent(type_, obj)
        except aiohttp.ClientError as error:
            raise ApiError(0, "Unreachable", f"watch of {resource.plural} broke: {error}") from error
        finally:
            response.close()

    async def create(self, resource: Resource, body: Object) -> Object:
        """Create the object; ApiError 409 if it exists."""
        namespace = body["metadata"].get("namespace", "")
        return await self._json("POST", resource.path(namespace), body=body)

    async def replace(self, resource: Resource, body: Object) -> Object:
        """Replace the object; ApiError 409 unless body's resourceVersion is the current one."""
        meta = body["metadata"]
        return await self._json("PUT", resource.path(meta.get("namespace", ""), meta["name"]), body=body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Object | list[Object],
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object:
        """Patch the object. A uid or resourceVersion in a merge patch's metadata is a precondition (409)."""
        path = resource.path(namespace, name, subresource)
        return await self._json("PATCH", path, body=body, content_type=content_type)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, resource_version: str = ""
    ) -> bool:
        """Delete the object of that uid (and version); False if it is not there any more or another one is."""
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        body = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._json("DELETE", resource.path(namespace, name), body=body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        response = await self._send(method, path, query, body, content_type)
        try:
            text = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, "Unreachable", f"{method} {path}: {error or 'timed out'}") from error
        return _parsed(text, f"{method} {path}")

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = _REQUEST_TIMEOUT_S,
    ) -> aiohttp.ClientResponse:
        self._fence(method)
        request = await self._api.param_serialize(
            method,
            path,
            query_params=[(key, value) for key, value in (query or {}).items() if value],
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._api.call_api(*request, _request_timeout=timeout_s)
            if not 200 <= answer.status <= 299:
                raise _refusal(answer.status, answer.reason, await answer.read())
        except ApiException as error:
            raise _refusal(error.status or 0, error.reason, error.body) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._is_away = True
            raise ApiError(0, "Unreachable", f"{method} {path}: {error or 'timed out'}") from error
        if self._is_away:
            self._is_away = False
            if self.on_return is not None:
                self.on_return()
        self._note_time(answer.getheader("Date"))
        response: aiohttp.ClientResponse = answer.response
        return response

    def _note_time(self, date_header: str | None) -> None:
        if not date_header:
            return
        # A proxy may have written a date of its own kind.
        with suppress(ValueError, TypeError):
            self.clock_offset_s = (parsedate_to_datetime(date_header) - datetime.now(UTC)).total_seconds()


def _parsed(text: bytes, what: str) -> Object:
    """The answer as an object. Raises ApiError if it is none: a proxy may speak in the API server's place."""
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ApiError(0, "BadAnswer", f"{what}: the answer is not a JSON object: {text[:200]!r}")
    return parsed


def _refusal(status: int, reason: str | None, body: str | bytes | None) -> ApiError:
    try:
        answer = json.loads(body or "")
        return ApiError(status, answer.get("reason") or reason or "", answer.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, reason or "", str(body or reason or "no answer")[:500])


@asynccontextmanager
async def connect(fence: Callable[[str], None] = lambda method: None) -> AsyncIterator[Client]:
    """A connection as the pod's service account inside a cluster, else by $KUBECONFIG or ~/.kube/config.

    fence: called with the method before each request; by raising it keeps the request from being sent.
    Raises ApiError if neither is usable.
    """
    try:
        found = await configuration()
    except ConfigException as error:
        raise ApiError(0, "NoCluster", f"no usable kubeconfig (set KUBECONFIG): {error}") from error
    async with client.ApiClient(found) as api:
        yield Client(api, fence)
