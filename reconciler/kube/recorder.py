"""Writes Kubernetes Events, which `kubectl describe` shows. Losing one does not fail a pass."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from crds.resources import EVENT
from reconciler.kube.client import ApiError, Client
from reconciler.kube.objects import Object
from reconciler.text import one_line, shortened
from stacks.metadata import MANAGER

_log = structlog.get_logger()
_MAX_NOTE = 1000


@dataclass(frozen=True)
class Recorder:
    """Writes Events. instance: the name of this replica."""

    client: Client
    instance: str

    async def record(
        self, resource: Object, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Record an Event about a custom resource. If the request fails, log that and go on."""
        meta = resource["metadata"]
        # Events about cluster-scoped objects live in the namespace "default".
        namespace = meta.get("namespace") or "default"
        event = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": type_,
            "reason": reason,
            "note": shortened(one_line(note), _MAX_NOTE),
            "action": "Reconcile",
            "reportingController": f"devserver.io/{MANAGER}",
            "reportingInstance": self.instance,
            "regarding": {
                "apiVersion": resource["apiVersion"],
                "kind": resource["kind"],
                "namespace": meta.get("namespace", ""),
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
        }
        try:
            await self.client.create(EVENT, event)
        except ApiError as error:
            _log.warning("event not recorded", reason=reason, error=str(error))
