"""`devctl edit`: the spec as YAML in the user's editor, checked by the models before it is sent."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import yaml

from crds import API_VERSION
from crds.reader import UnreadableError, load_documents
from crds.resources import DEVSERVER
from devctl.client import DevServer
from devctl.errors import Misuse, Refused
from devctl.manifests import drafts
from devctl.objects import Object
from devctl.text import inert

_HEAD = "# The spec of DevServer {name}. Save an empty or unchanged file to leave it as it is.\n"


def edit(server: DevServer) -> None:
    """Open the editor until the cluster accepts the spec, or it is unchanged or empty."""
    terminal = server.client.session.terminal
    with tempfile.TemporaryDirectory(prefix="devctl-") as directory:
        file = Path(directory, f"{server.name}.yaml")
        complaint, text = "", yaml.safe_dump(server.object["spec"], sort_keys=False)
        while True:
            head = _HEAD.format(name=server.name) + "".join(f"# {line}\n" for line in complaint.splitlines())
            file.write_text(head + text)
            _open(file)
            edited = _body(file.read_text())
            if not edited.strip() or (edited == text and not complaint):
                terminal.say(f"{server.name} is unchanged.")
                return
            if edited == text:
                raise Misuse(f"{server.name} is unchanged: {complaint}")
            text = edited
            try:
                _apply(server, parsed(text, server.name, server.namespace))
            except (Misuse, Refused) as error:
                if isinstance(error, Refused) and error.reason == "Conflict":
                    raise
                complaint = inert(error.message)
                continue
            terminal.say(f"Changed {server.name}.")
            return


def parsed(text: str, name: str, namespace: str) -> Object:
    """The spec that the text holds, by the models' rules. Raises Misuse."""
    try:
        documents = load_documents(text)
    except UnreadableError as error:
        raise Misuse(f"This is not valid YAML: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise Misuse("This is not a spec. It must have fields such as `image: debian:bookworm`.")
    spec: Object = documents[0]
    drafts.check(
        {
            "apiVersion": API_VERSION,
            "kind": "DevServer",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )
    return spec


def _body(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _apply(server: DevServer, spec: Object) -> None:
    body = {**server.object, "spec": spec}
    server.object = server.client.api.replace(DEVSERVER, body, server.namespace)


def _open(file: Path) -> None:
    """Run the editor, which is a command line of the user's own."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        code = subprocess.run([*editor, str(file)]).returncode
    except OSError as error:
        raise Misuse(
            f"Cannot run the editor {editor[0]}: {error.strerror}. Set EDITOR to choose another."
        ) from error
    if code:
        raise Misuse(f"Nothing was changed: the editor {editor[0]} ended with exit code {code}.")
