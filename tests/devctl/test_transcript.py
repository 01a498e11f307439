"""The first session in docs/devctl.md is what happens. DEVCTL_RECORD=1 records it anew, and the pictures."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from devctl.client import Client, DevServer
from devctl.display import description, listing
from devctl.times import now
from tests.devctl.conftest import Person, user
from tests.e2e.kube import eventually
from tests.shared_cluster import ROOT, SharedCluster

pytestmark = pytest.mark.cluster

DOCUMENT = ROOT / "docs/devctl.md"
IS_RECORDING = os.environ.get("DEVCTL_RECORD") == "1"
SESSION = (
    "devctl doctor",
    "devctl flavors",
    "devctl create box --ttl 8h --home 16Mi --wait",
    "devctl list",
    "devctl ssh box -- id",
    "devctl config ssh-include --write",
    "ssh box df -h /home/dev",
    "devctl extend box --by 4h",
    "devctl create box",
    "devctl delete box --yes",
    "devctl volumes list",
)


@pytest.fixture
def carol(admin: Person, cluster: SharedCluster, tmp_path: Path) -> Iterator[Person]:
    """A user whose first session it is, in a cluster that has one flavor."""
    others = set(cluster.kubectl("get", "dvsf", "--output=name").split()) - {
        "devserverflavor.devserver.io/tiny"
    }
    if others:
        # What another suite was cut short of deleting.
        cluster.kubectl("delete", *others)
    yield from user("carol", admin, cluster, tmp_path)


def played(carol: Person) -> str:
    """The session as it looks on a terminal: what a user types and what comes back."""
    lines = []
    for command in SESSION:
        program, *args = command.split()
        # ssh would look for its configuration in the account's home.
        done = carol.ssh(*args) if program == "ssh" else carol.try_devctl(*args)
        said = done.stderr + done.stdout
        lines += [
            f"$ {command}",
            *(line.rstrip() for line in said.replace(str(carol.home), "~").splitlines()),
        ]
        if done.returncode:
            lines += ["$ echo $?", str(done.returncode)]
    return "\n".join(lines) + "\n"


def shape(text: str) -> list[str]:
    """The words without what differs from day to day and from machine to machine."""
    text = re.sub(
        r"https://\S+|v\d\S+|OpenSSH\S+ .*|Dec|[a-z]+d (?=\d+[ms])|/dev/\S+|overlay|tmpfs", "X", text
    )
    # How far a start is when it is looked at, is chance.
    lines = [line for line in text.splitlines() if not re.match(r"box: ", line)]
    return [
        re.sub(r"\s+", " ", re.sub(r"[0-9a-f]*[0-9][0-9a-zA-Z.:%]*", "N", line)).strip() for line in lines
    ]


def test_the_first_session_of_the_document_is_what_happens(carol: Person) -> None:
    happened = played(carol)
    document = DOCUMENT.read_text()
    before, _, rest = document.partition("```console\n")
    recorded, _, after = rest.partition("```\n")
    if IS_RECORDING:
        DOCUMENT.write_text(f"{before}```console\n{happened}```\n{after}")
        take_pictures(carol)
    else:
        assert shape(happened) == shape(recorded)


def take_pictures(carol: Person) -> None:
    """`list --watch` and `describe` as SVG, of DevServers in several states."""
    carol.devctl("create", "api", "--ttl", "8h", "--home", "16Mi", "--wait")
    carol.devctl("create", "notebook", "--ttl", "25m", "--wait")
    carol.devctl("create", "old-branch", "--ttl", "48h")
    carol.devctl("stop", "old-branch", "--wait")
    carol.devctl("create", "typo", "--image", "Local/Debian:bookworm")
    carol.devctl("create", "training", "--flavor", "gpu-large", "--ttl", "24h")
    eventually(lambda: "Failing" in carol.devctl("list"), "an image is not there")
    client = Client.open(kubeconfig=str(carol.kubeconfig))
    board = listing.Board({server.uid: server for server in client.list()})
    picture(board.rendered(wide=False, namespaces=False, present=now()), "devctl list --watch", "devctl-list")
    facts = description.gather(DevServer.get("api", client=client))
    picture(description.described(facts, now()), "devctl describe api", "devctl-describe")


def picture(shown: object, title: str, file: str) -> None:
    """What a terminal would show, as docs/FILE.svg."""
    with open(os.devnull, "w") as nowhere:
        console = Console(
            record=True, width=110, file=nowhere, force_terminal=True, markup=False, highlight=False
        )
        console.print(shown)
        console.save_svg(str(ROOT / f"docs/{file}.svg"), title=title)


def test_the_pictures_of_the_document_are_there() -> None:
    for file in re.findall(r"\]\((devctl-\w+\.svg)\)", DOCUMENT.read_text()):
        assert (ROOT / "docs" / file).read_text().startswith("<svg")
