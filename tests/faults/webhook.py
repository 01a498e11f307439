"""An admission webhook that denies, is slow, says nothing or is away, for the namespaces of one test."""

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crds.resources import Resource
from tests.faults.certificate import make_server_context
from tests.faults.kubeapi import Api

WEBHOOK = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
# What a stack writes, but not what the operator itself writes.
_RULE = {
    "apiGroups": ["", "apps"],
    "apiVersions": ["v1"],
    "resources": ["configmaps", "secrets", "services", "statefulsets"],
    "scope": "Namespaced",
}
Review = dict[str, Any]


@dataclass
class Webhook:
    """A server for the API server's questions.

    judge: gives the reason to refuse an object, None to admit it; it may take its time.
    asked: how many questions came.
    """

    judge: Callable[[Review], str | None] = field(default=lambda request: None)
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def denies(self, why: str) -> None:
        """Refuse everything."""
        self.judge = lambda request: why

    def admits(self) -> None:
        """Admit everything."""
        self.judge = lambda request: None

    def sleeps(self, seconds: float) -> None:
        """Admit everything, after a while (or when it is closed)."""

        def judge(request: Review) -> str | None:
            self.released.wait(seconds)
            return None

        self.judge = judge


@contextmanager
def webhook(
    api: Api,
    address: str,
    namespace: str,
    directory: Path,
    timeout_s: int = 2,
    operations: tuple[str, ...] = ("CREATE", "UPDATE"),
) -> Iterator[Webhook]:
    """A webhook at an address that the API server reaches, asked about children in one namespace.

    timeout_s: after which the API server refuses the write itself. operations: those that it is asked about.
    """
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            hook.asked += 1
            why = hook.judge(request)
            verdict = {"uid": request["uid"], "allowed": why is None}
            answer = {
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": verdict | ({} if why is None else {"status": {"message": why}}),
            }
            body = json.dumps(answer).encode()
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                # The API server has given up.
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    context, authority = make_server_context(directory, address)
    with ThreadingHTTPServer((address, 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, name="webhook", daemon=True).start()
        name = f"faults-{secrets.token_hex(4)}"
        api.create(WEBHOOK, _configuration(name, server, authority, namespace, timeout_s, operations))
        try:
            yield hook
        finally:
            api.delete(WEBHOOK, "", name)
            hook.released.set()
            server.shutdown()


def _configuration(
    name: str,
    server: ThreadingHTTPServer,
    authority: bytes,
    namespace: str,
    timeout_s: int,
    operations: tuple[str, ...],
) -> dict[str, Any]:
    address, port = server.server_address[:2]
    return {
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "children.faults.example.com",
                "clientConfig": {
                    "url": f"https://{address}:{port}/",
                    "caBundle": base64.b64encode(authority).decode(),
                },
                "rules": [_RULE | {"operations": list(operations)}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": timeout_s,
            }
        ],
    }
