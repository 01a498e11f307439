"""Where the API server is and how it is reached: the service account of the pod, a kubeconfig, proxies."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import client, config


async def configuration() -> client.Configuration:
    """By the pod's service account inside a cluster, else by $KUBECONFIG or ~/.kube/config.

    Raises the library's ConfigException if neither is usable.
    """
    found = client.Configuration()
    if "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=found)
    else:
        # The library itself would look at the variable when it is imported only.
        file = os.environ.get("KUBECONFIG")
        await config.load_kube_config(config_file=file, client_configuration=found)
    found.connection_pool_maxsize = 64
    # The library would have a proxy and a ~/.netrc looked up for each request, in a thread.
    found.client_session_kwargs = {"trust_env": False}
    found.proxy = found.proxy or _proxy_for(found.host)
    return found


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for the API server, by HTTPS_PROXY and NO_PROXY."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
