"""The kinds of objects that the operator and devctl deal with, as the API server serves them.

Loads neither the models nor a client, so that a command which needs a path only is quick.
"""

from dataclasses import dataclass
from urllib.parse import quote

GROUP = "devserver.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"


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


DEVSERVER = Resource(API_VERSION, "DevServer", "devservers")
FLAVOR = Resource(API_VERSION, "DevServerFlavor", "devserverflavors", namespaced=False)
USER = Resource(API_VERSION, "DevServerUser", "devserverusers", namespaced=False)
SECRET = Resource("v1", "Secret", "secrets")
POD = Resource("v1", "Pod", "pods")
SERVICE = Resource("v1", "Service", "services")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
STATEFUL_SET = Resource("apps/v1", "StatefulSet", "statefulsets")
QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
PVC = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
# Of the older group, for only it can be selected by what an Event is about.
CORE_EVENT = Resource("v1", "Event", "events")
EVENT = Resource("events.k8s.io/v1", "Event", "events")
NODE = Resource("v1", "Node", "nodes", namespaced=False)
PRIORITY_CLASS = Resource("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False)
RUNTIME_CLASS = Resource("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", namespaced=False)
CRD = Resource(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
STORAGE_CLASS = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")

# Every kind that a stack may hold, in the order in which a sweep deletes them.
CHILDREN = (
    STATEFUL_SET,
    Resource("apps/v1", "DaemonSet", "daemonsets"),
    Resource("apps/v1", "Deployment", "deployments"),
    SERVICE,
    Resource("v1", "ConfigMap", "configmaps"),
    SECRET,
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    SERVICE_ACCOUNT,
    QUOTA,
    Resource("v1", "LimitRange", "limitranges"),
    PVC,
    NAMESPACE,
)
CHILD_RESOURCES = {(resource.api_version, resource.kind): resource for resource in CHILDREN}
