"""The address and credentials of the API server: from the pod's ServiceAccount or a kubeconfig, with proxies."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import client, config


async def configuration() -> client.Configuration:
    """The client's configuration: by $KUBECONFIG, else by the pod's ServiceAccount, else by ~/.kube/config.

    Raises the library's ConfigException if neither is usable.
    """
    found = client.Configuration()
    if "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=found)
    else:
        # The library would read the variable only when it is imported.
        file = os.environ.get("KUBECONFIG")
        await config.load_kube_config(config_file=file, client_configuration=found)
    found.connection_pool_maxsize = 64
    # Otherwise the library looks up a proxy and ~/.netrc for each request, in a thread.
    found.client_session_kwargs = {"trust_env": False}
    found.proxy = found.proxy or _proxy_for(found.host)
    return found


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for the API server, by HTTPS_PROXY and NO_PROXY."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
