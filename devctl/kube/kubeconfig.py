"""Which cluster a kubeconfig leads to, read by the Kubernetes client's own reader."""

import os
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from kubernetes import client, config

from devctl.errors import Unreachable
from devctl.kube.api import Api, Target

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def connect(kubeconfig: str | None = None, context: str | None = None) -> Api:
    """The API server that the kubeconfig (default: $KUBECONFIG, ~/.kube/config) and context name.

    Inside a pod without a kubeconfig, that of its ServiceAccount. Raises Unreachable.
    """
    configuration = client.Configuration()
    file = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        if kubeconfig is None and "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
            target = Target("", _SERVICE_ACCOUNT.read_text().strip(), configuration.host)
        else:
            target = _load(file, context, configuration)
    except config.ConfigException as error:
        raise Unreachable(f"Cannot use the kubeconfig {file}: {_first_line(error)}") from error
    except OSError as error:
        raise Unreachable(f"Cannot read the kubeconfig {file}: {error.strerror or error}") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Unreachable(f"The kubeconfig {file} is damaged: {_first_line(error)}") from error
    except Exception as error:
        # The YAML reader's errors have no base class that the client would name.
        if type(error).__module__.startswith("yaml"):
            raise Unreachable(f"The kubeconfig {file} is not valid YAML: {_first_line(error)}") from error
        raise
    configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
    # The default is three tries, each of which a user would wait for.
    configuration.retries = False
    return Api(configuration, target)


def _load(file: str, context: str | None, configuration: client.Configuration) -> Target:
    contexts, active = config.list_kube_config_contexts(config_file=file)
    chosen = next((item for item in contexts if item["name"] == context), None) if context else active
    if chosen is None:
        known = ", ".join(item["name"] for item in contexts)
        raise Unreachable(f"The kubeconfig {file} has no context {context}. Its contexts: {known or 'none'}.")
    config.load_kube_config(
        config_file=file, context=chosen["name"], client_configuration=configuration, persist_config=False
    )
    namespace = chosen.get("context", {}).get("namespace") or "default"
    return Target(chosen["name"], namespace, configuration.host)


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for the API server, by HTTPS_PROXY and NO_PROXY."""
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
