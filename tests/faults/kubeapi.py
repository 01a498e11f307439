"""The API server past the proxy, as the administrator or another sees it, and fast enough for ten looks a second."""

import json
from pathlib import Path
from typing import Any

from kubernetes import client, config

from crds.resources import Resource
from reconciler.kube.client import MERGE_PATCH

Object = dict[str, Any]
_TIMEOUT_S = 60


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Requests about objects as plain dicts. as_user: in whose name the kubeconfig's identity asks."""

    def __init__(self, kubeconfig: Path, as_user: str = "") -> None:
        configuration = client.Configuration()
        config.load_kube_config(
            config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
        )
        self._host = configuration.host
        self._client = client.ApiClient(configuration)
        self._identity = {item["key"]: item["value"] for item in configuration.auth_settings().values()}
        if as_user:
            self._identity["Impersonate-User"] = as_user

    def close(self) -> None:
        self._client.rest_client.pool_manager.clear()

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Object:
        """The answer. Raises ApiError."""
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._identity}
        answer = self._client.call_api(
            method, f"{self._host}{path}", headers, body, _request_timeout=_TIMEOUT_S
        )
        content = json.loads(answer.read() or b"{}")
        if not 200 <= answer.status <= 299:
            raise ApiError(answer.status, content.get("message", ""))
        return dict(content)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return self.request("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, resource: Resource, namespace: str = "", selector: str = "") -> list[Object]:
        """All objects, with the kind and apiVersion that items of a list lack."""
        query = f"?labelSelector={selector}" if selector else ""
        items = self.request("GET", f"{resource.path(namespace)}{query}").get("items", [])
        return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items]

    def create(self, resource: Resource, body: Object) -> Object:
        namespace = body["metadata"].get("namespace", "")
        return self.request("POST", resource.path(namespace), body)

    def patch(self, resource: Resource, namespace: str, name: str, body: Object) -> Object:
        return self.request("PATCH", resource.path(namespace, name), body, MERGE_PATCH)

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete it, if it is there; children of its own follow later."""
        try:
            self.request("DELETE", resource.path(namespace, name), {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.code != 404:
                raise
