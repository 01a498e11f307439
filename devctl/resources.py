"""The kinds of objects that devctl asks the API server for."""

from dataclasses import dataclass
from urllib.parse import quote

_DEVSERVER_IO = "devserver.io/v1"


@dataclass(frozen=True)
class Resource:
    """A kind of object as the API server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection or, with a name, of the object."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        scope = ["namespaces", namespace] if self.namespaced and namespace else []
        parts = [*scope, self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/".join([root, *(quote(part, safe="") for part in parts)])


DEVSERVER = Resource(_DEVSERVER_IO, "DevServer", "devservers")
FLAVOR = Resource(_DEVSERVER_IO, "DevServerFlavor", "devserverflavors", namespaced=False)
USER = Resource(_DEVSERVER_IO, "DevServerUser", "devserverusers", namespaced=False)
POD = Resource("v1", "Pod", "pods")
SERVICE = Resource("v1", "Service", "services")
QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
PVC = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Resource("v1", "Event", "events")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")
