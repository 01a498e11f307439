"""DevServers from Python.

    from devctl.client import DevServer

    with DevServer.create(image="debian:bookworm", time_to_live="1h") as server:
        server.wait_ready()
        print(server.exec(["uname", "-sm"]).text)

The `with` block deletes a DevServer that `create` made at its end, and leaves one that `get` found. All errors are
`DevctlError`s. Without a `client`, the settings file and the kubeconfig are used, as by the command `devctl`.

The module is longer than most: it is all that a program of the users' sees, on one page.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from crds.devserver import DevServerSpec, DevServerStatus
from crds.resources import DEVSERVER, POD
from crds.times import parse_duration
from devctl.errors import CannotStart, DevctlError, Misuse, NotFound, Refused, TimedOut
from devctl.kube import waits
from devctl.kube.api import Api
from devctl.kube.exec import Completed, run
from devctl.manifests import drafts
from devctl.objects import Object
from devctl.session import Session
from devctl.status.standing import Stage, Standing, standing
from devctl.times import time_of

__all__ = [
    "CannotStart",
    "Client",
    "Completed",
    "DevServer",
    "DevctlError",
    "NotFound",
    "TimedOut",
    "duration",
]

READY_TIMEOUT_S = 300.0
CONTAINER = "devserver"
_CONFLICT_TRIES = 5


@dataclass
class Client:
    """A cluster, a namespace and the settings for what is created."""

    session: Session

    @classmethod
    def open(
        cls, *, kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
    ) -> Self:
        """The client that the command `devctl` would use. Raises Misuse if the settings file is faulty."""
        return cls(Session.open(kubeconfig, context, namespace))

    @property
    def api(self) -> Api:
        """The API server."""
        return self.session.api

    @property
    def namespace(self) -> str:
        """Where DevServers are looked for and created."""
        return self.session.namespace

    def list(self, *, all_namespaces: bool = False) -> "list[DevServer]":
        """All DevServers of the namespace, or of all of them, by name."""
        found = self.api.list_all(DEVSERVER, "" if all_namespaces else self.namespace)
        found.sort(key=lambda obj: (obj["metadata"]["namespace"], obj["metadata"]["name"]))
        return [DevServer(self, obj) for obj in found]


@dataclass
class DevServer:
    """One DevServer, as it was when it was last looked at.

    object: as the API server holds it. is_own: it is deleted at the end of a `with` block.
    """

    client: Client
    object: Object
    is_own: bool = field(default=False)

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        image: str | None = None,
        flavor: str | None = None,
        time_to_live: str | None = None,
        home: str | None = None,
        volumes: Sequence[str] = (),
        keys: Sequence[str] = (),
        client: Client | None = None,
    ) -> Self:
        """Create one. Omitted values come from the settings, the cluster, and the SSH agent or ~/.ssh.

        name: generated if omitted. time_to_live: such as `8h`. home: such as `10Gi`. volumes: `PVC:/path[:ro]`.
        keys: files of public keys. Raises Misuse for an invalid value, Refused if the cluster refuses it.
        """
        client = client or Client.open()
        wishes = drafts.Wishes(name, image, flavor, time_to_live, home, tuple(volumes), tuple(keys))
        manifest = drafts.draft(client.session, wishes)
        return cls(client, client.api.create(DEVSERVER, manifest, client.namespace), is_own=True)

    @classmethod
    def get(cls, name: str, *, client: Client | None = None) -> Self:
        """The one of that name. Raises NotFound."""
        client = client or Client.open()
        drafts.check_name(name)
        return cls(client, client.api.get(DEVSERVER, name, client.namespace))

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.object["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """Its uid."""
        return str(self.object["metadata"].get("uid", ""))

    @property
    def spec(self) -> DevServerSpec:
        """What was asked for. Raises ValidationError if it does not fit these models (it is of another version)."""
        return DevServerSpec.model_validate(self.object.get("spec"))

    @cached_property
    def _status(self) -> DevServerStatus:
        try:
            return DevServerStatus.model_validate(self.object.get("status") or {})
        except ValidationError:
            return DevServerStatus(phase="Unreadable")

    @property
    def status(self) -> DevServerStatus:
        """What the operator observed; its phase is `Unreadable` if it does not fit these models."""
        return self._status

    @property
    def standing(self) -> Standing:
        """Where it stands with its present spec, and why."""
        return standing(self.object)

    @property
    def is_running(self) -> bool:
        """Whether it is meant to run."""
        return bool((self.object.get("spec") or {}).get("running", True))

    @property
    def pod(self) -> str:
        """Name of its pod."""
        return f"{self.name}-0"

    def refresh(self) -> Self:
        """Look again. Raises NotFound."""
        return self._take(self.client.api.get(DEVSERVER, self.name, self.namespace))

    def wait_ready(
        self,
        timeout_s: float = READY_TIMEOUT_S,
        on_progress: Callable[[Standing], None] = lambda standing: None,
    ) -> Self:
        """Wait until one can log in. Raises CannotStart with the reason, TimedOut, NotFound.

        on_progress: called with its standing, now and after each change.
        """
        last = self.standing

        def check(obj: Object | None) -> bool | None:
            nonlocal last
            self._take(self._present(obj))
            now = self.standing
            if now != last:
                on_progress(now)
            last = now
            if now.stage is Stage.STOPPED or (now.stage is Stage.WAITING and not self.is_running):
                raise CannotStart(f"{self.name} is stopped. Start it with `devctl start {self.name}`.")
            if now.stage in (Stage.FAILED, Stage.ENDING):
                raise CannotStart(f"{self.name} cannot start: {now.reason}: {now.message}")
            return True if now.stage is Stage.READY else None

        on_progress(last)
        self._until(
            check, timeout_s, lambda: f"is not ready after {timeout_s:g} s: {last.reason}: {last.message}"
        )
        return self

    def wait_stopped(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Wait until its pod is gone. Raises TimedOut, NotFound."""

        def check(obj: Object | None) -> bool | None:
            self._take(self._present(obj))
            return True if self.standing.stage is Stage.STOPPED else None

        self._until(
            check, timeout_s, lambda: f"has not stopped after {timeout_s:g} s: {self.standing.message}"
        )
        return self

    def wait_gone(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it is gone, with everything that belongs to it. Raises TimedOut."""

        def check(obj: Object | None) -> bool | None:
            return True if obj is None or obj["metadata"].get("uid") != self.uid else None

        self._until(check, timeout_s, lambda: f"still exists after {timeout_s:g} s: {self.standing.message}")

    def exec(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        check: bool = True,
        timeout_s: float | None = None,
    ) -> Completed:
        """Run a command in the container, as root. (Over SSH, one is the user dev.)

        check: raise DevctlError if it fails.
        """
        done = run(self.client.api, self.namespace, self.pod, CONTAINER, command, stdin, timeout_s)
        if check and done.exit_code:
            said = done.stderr.decode(errors="replace").strip()
            raise DevctlError(f"{command[0]} failed in {self.name} with exit code {done.exit_code}: {said}")
        return done

    def logs(
        self, *, follow: bool = False, tail: int | None = None, container: str = CONTAINER
    ) -> Iterator[bytes]:
        """Lines of the log of sshd and of the start script."""
        query = {"container": container, "follow": "true" if follow else ""}
        query["tailLines"] = "" if tail is None else str(tail)
        return self.client.api.lines(POD.path(self.namespace, self.pod, "log"), query, f"pod {self.pod}")

    def start(self) -> Self:
        """Start it."""
        return self._patch({"running": True})

    def stop(self) -> Self:
        """Stop its pod. Home and host keys stay. The time to live keeps counting."""
        return self._patch({"running": False})

    def extend(self, by: timedelta, now: datetime | None = None) -> Self:
        """Move its end by that much. Raises Misuse if it never ends, or if that is too long."""
        expires = time_of(self.status.expires_at)
        created = time_of(self.object["metadata"].get("creationTimestamp")) or datetime.now(UTC)
        if expires is None:
            raise Misuse(f"{self.name} never expires, so there is nothing to extend.")
        return self._patch({"lifecycle": {"timeToLive": drafts.extended(created, expires, by)}})

    def change(self, edit: Callable[[DevServerSpec], Object]) -> Self:
        """Patch the spec with what `edit` makes of the present one; again, if someone else changed it meanwhile."""
        for _ in range(_CONFLICT_TRIES):
            version = self.object["metadata"]["resourceVersion"]
            try:
                return self._patch(edit(self.spec), version)
            except Refused as error:
                if error.reason != "Conflict":
                    raise
            self.refresh()
        raise Refused(f"Others keep changing {self.name}. Try again.", "Conflict")

    def delete(self) -> None:
        """Delete this very DevServer, without waiting. Its home stays if it is to be retained."""
        self.client.api.delete(DEVSERVER, self.name, self.namespace, uid=self.uid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.is_own:
            try:
                self.delete()
            except NotFound:
                return

    def _patch(self, spec: Object, version: str = "") -> Self:
        precondition = {"metadata": {"resourceVersion": version}} if version else {}
        body = {**precondition, "spec": spec}
        return self._take(self.client.api.patch(DEVSERVER, self.name, body, self.namespace))

    def _take(self, obj: Object) -> Self:
        self.object = obj
        self.__dict__.pop("_status", None)
        return self

    def _present(self, obj: Object | None) -> Object:
        if obj is None or obj["metadata"].get("uid") != self.uid:
            raise NotFound(f"DevServer {self.name} was deleted.")
        return obj

    def _until(
        self, check: Callable[[Object | None], bool | None], timeout_s: float, what: Callable[[], str]
    ) -> None:
        objects = waits.follow(self.client.api, DEVSERVER, self.name, self.namespace, timeout_s)
        waits.until(objects, check, lambda: f"{self.name} {what()}")


def duration(text: str) -> timedelta:
    """The time span that a text such as `8h` stands for. Raises Misuse."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Misuse(str(error)) from error
