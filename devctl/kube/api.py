"""The Kubernetes API: the one module that sends requests to it. Objects are plain dicts, as on the wire.

The generated client's transport is used, not its models. All refusals become errors that name
what to do.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from crds.resources import Resource
from devctl.errors import DevctlError, NoAnswer, NotFound, TimedOut, Unreachable
from devctl.kube.refusals import refusal_of
from devctl.objects import Object

MERGE_PATCH = "application/merge-patch+json"
# A live list, a create with admission webhooks: all end well before.
REQUEST_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace a kubeconfig leads to.

    context: its name, empty inside a cluster. namespace: of the context, `default` if it has none.
    """

    context: str
    namespace: str
    server: str


@dataclass
class Api:
    """Requests to one API server, as one identity."""

    configuration: client.Configuration
    target: Target
    _api: client.ApiClient = field(init=False)

    def __post_init__(self) -> None:
        self._api = client.ApiClient(self.configuration)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """The object. Raises NotFound."""
        return self._json("GET", resource.path(namespace, name), what=_what(resource, name, namespace))

    def find(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """The object, None if there is none."""
        with suppress(NotFound):
            return self.get(resource, name, namespace)
        return None

    def list_all(
        self, resource: Resource, namespace: str = "", selector: str = "", fields: str = ""
    ) -> list[Object]:
        """All objects that match the label and field selectors."""
        return self.list_from(resource, namespace, selector, fields)[0]

    def list_from(
        self, resource: Resource, namespace: str = "", selector: str = "", fields: str = ""
    ) -> tuple[list[Object], str]:
        """The same, and the resourceVersion to watch from."""
        query = {"limit": "500", "labelSelector": selector, "fieldSelector": fields}
        items: list[Object] = []
        while True:
            page = self._json("GET", resource.path(namespace), query, what=_what(resource, "", namespace))
            items += page.get("items") or []
            query = {**query, "continue": page.get("metadata", {}).get("continue", "")}
            if not query["continue"]:
                return items, page.get("metadata", {}).get("resourceVersion", "")

    def watch(
        self, resource: Resource, namespace: str, version: str, fields: str = "", timeout_s: int = 300
    ) -> Iterator[tuple[str, Object]]:
        """Changes since a resourceVersion as (ADDED | MODIFIED | DELETED, object), for at most timeout_s.

        Ends early when the connection breaks or the version is too old: list again then.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "fieldSelector": fields,
            "timeoutSeconds": str(max(1, timeout_s)),
        }
        what = _what(resource, "", namespace)
        response = self._send("GET", resource.path(namespace), query, timeout_s=timeout_s + 5, what=what)
        try:
            for line in _lines(response):
                event = _parsed(line, what)
                if event.get("type") not in ("ADDED", "MODIFIED", "DELETED"):
                    return
                yield event["type"], event["object"]
        except (urllib3.exceptions.HTTPError, OSError):
            return
        finally:
            response.close()

    def create(self, resource: Resource, body: Object, namespace: str = "", dry_run: bool = False) -> Object:
        """Create it. dry_run: the API server checks it and keeps nothing."""
        query = {"dryRun": "All"} if dry_run else {}
        name = body.get("metadata", {}).get("name", "")
        return self._json(
            "POST", resource.path(namespace), query, body, what=_what(resource, name, namespace)
        )

    def replace(self, resource: Resource, body: Object, namespace: str = "") -> Object:
        """Replace it; Refused with the reason Conflict unless the body's resourceVersion is the present one."""
        name = body["metadata"]["name"]
        path = resource.path(namespace, name)
        return self._json("PUT", path, body=body, what=_what(resource, name, namespace))

    def patch(self, resource: Resource, name: str, body: Object, namespace: str = "") -> Object:
        """Merge a patch into it. A resourceVersion in the patch's metadata is a precondition."""
        path, what = resource.path(namespace, name), _what(resource, name, namespace)
        return self._json("PATCH", path, body=body, content_type=MERGE_PATCH, what=what)

    def delete(self, resource: Resource, name: str, namespace: str = "", uid: str = "") -> None:
        """Delete it. uid: only the object of that uid."""
        body: Object = {"propagationPolicy": "Background"} | ({"preconditions": {"uid": uid}} if uid else {})
        self._json("DELETE", resource.path(namespace, name), body=body, what=_what(resource, name, namespace))

    def post(self, path: str, body: Object, what: str) -> Object:
        """A request that is no object's creation, such as a review."""
        return self._json("POST", path, body=body, what=what)

    def read(self, path: str, what: str) -> Object:
        """A document of the API server's own, such as its version."""
        return self._json("GET", path, what=what)

    def is_ready(self) -> bool:
        """Whether the API server has all that it needs to judge requests. One that has just started does not."""
        try:
            self._send("GET", "/readyz", accept="*/*", what="health of the API server").close()
        except DevctlError:
            return False
        return True

    def lines(self, path: str, query: Mapping[str, str], what: str) -> Iterator[bytes]:
        """The lines of an answer that may never end (a log that is followed)."""
        response = self._send("GET", path, query, timeout_s=None, what=what, accept="*/*")
        try:
            yield from _lines(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(f"{what}: the connection broke: {error}") from error
        finally:
            response.close()

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        *,
        what: str,
    ) -> Object:
        response = self._send(method, path, query, body, content_type, what=what)
        try:
            return _parsed(response.data, what)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._no_answer(error, what) from error

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = REQUEST_TIMEOUT_S,
        accept: str = "application/json",
        *,
        what: str,
    ) -> urllib3.HTTPResponse:
        try:
            request = self._api.param_serialize(
                method,
                path,
                query_params=[(key, value) for key, value in (query or {}).items() if value],
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._api.call_api(*request, _request_timeout=(_CONNECT_TIMEOUT_S, timeout_s))
            if not 200 <= answer.status <= 299:
                raise refusal_of(answer.status, answer.response.data, what)
        except ApiException as error:
            if not error.status:
                raise self._no_answer(error, what) from error
            raise refusal_of(error.status, error.body, what) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._no_answer(error, what) from error
        except config.ConfigException as error:
            raise Unreachable(f"Cannot sign in: {error}") from error
        response: urllib3.HTTPResponse = answer.response
        return response

    def _no_answer(self, error: Exception, what: str) -> DevctlError:
        server = self.target.server
        inner = getattr(error, "reason", None) or error
        if isinstance(inner, urllib3.exceptions.ReadTimeoutError):
            return TimedOut(f"{what}: {server} did not answer within {REQUEST_TIMEOUT_S:g} s.")
        if "CERTIFICATE" in str(inner).upper():
            return Unreachable(
                f"The kubeconfig does not trust the certificate of {server}. Is it the right cluster? ({inner})"
            )
        # "HTTPSConnection(host='...', port=...): " says nothing new.
        said = re.sub(r"^\w*Connection\w*\(.*?\): ", "", str(inner)) or type(inner).__name__
        return NoAnswer(f"{server} does not answer (context {self.target.context or '-'}): {said}")


def _what(resource: Resource, name: str, namespace: str) -> str:
    place = f" in {namespace}" if namespace else ""
    return f"{resource.kind} {name}{place}" if name else f"{resource.plural}{place}"


def _lines(response: urllib3.HTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _parsed(text: bytes, what: str) -> Object:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        shown = text[:100].decode(errors="replace")
        raise Unreachable(f"{what}: the answer is not an API object. Is there a proxy in between? {shown!r}")
    return parsed
