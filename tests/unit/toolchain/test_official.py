"""Downloads from a publisher on the loopback, and the question whether a publisher answers."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain import official
from toolchain.errors import ChecksumMismatch, SourceFailed
from toolchain.tools import Download, Tool

CONTENT = b"#!/bin/sh\necho tool v1.0.0\n"


class Publisher:
    """A web server on the loopback that offers files."""

    def __init__(self, root: Path) -> None:
        self.root = root

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def offer(self, name: str, content: bytes, checksum: str | None = None) -> None:
        (self.root / name).write_bytes(content)
        (self.root / f"{name}.sha256").write_text(checksum or hashlib.sha256(content).hexdigest())

    def tool(self, name: str, member: str = "") -> Tool:
        return tool_at(f"http://127.0.0.1:{self.server.server_port}/{name}", member)


def tool_at(url: str, member: str = "") -> Tool:
    download = Download(url, member)
    return Tool("tool", "v1.0.0", (), version_args=(), version_word="v1.0.0", official=download)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    root = tmp_path / "published"
    root.mkdir()
    publisher = Publisher(root)
    yield publisher
    publisher.server.shutdown()
    publisher.server.server_close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "new" / "bin").mkdir(parents=True)
    return tmp_path / "new"


def archive(member: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(member)
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    return buffer.getvalue()


def test_a_program_with_the_published_checksum_is_taken(publisher: Publisher, directory: Path) -> None:
    publisher.offer("tool-amd64", CONTENT)
    official.fetch(publisher.tool("tool-{arch}"), directory)
    program = directory / "bin" / "tool"
    assert program.read_bytes() == CONTENT
    assert program.stat().st_mode & 0o777 == 0o755
    assert list(directory.iterdir()) == [directory / "bin"]


def test_a_program_is_taken_out_of_an_archive(publisher: Publisher, directory: Path) -> None:
    content = archive("tool")
    publisher.offer("tool.tgz", content, f"{hashlib.sha256(content).hexdigest()}  release/tool.tgz\n")
    official.fetch(publisher.tool("tool.tgz", member="tool"), directory)
    assert (directory / "bin" / "tool").read_bytes() == CONTENT
    assert list(directory.iterdir()) == [directory / "bin"]


@pytest.mark.parametrize("checksum", ["0" * 64, hashlib.sha256(CONTENT).hexdigest()[:-1], "<html>", " "])
def test_another_checksum_is_refused(publisher: Publisher, directory: Path, checksum: str) -> None:
    publisher.offer("tool", CONTENT, checksum)
    with pytest.raises(ChecksumMismatch, match="not installed"):
        official.fetch(publisher.tool("tool"), directory)
    assert list((directory / "bin").iterdir()) == []


@pytest.mark.parametrize("absent", ["tool", "tool.sha256"])
def test_a_file_that_is_not_there_lets_the_next_source_try(
    publisher: Publisher, directory: Path, absent: str
) -> None:
    publisher.offer("tool", CONTENT)
    (publisher.root / absent).unlink()
    with pytest.raises(SourceFailed, match="tool cannot be downloaded: HTTP Error 404"):
        official.fetch(publisher.tool("tool"), directory)


@pytest.mark.parametrize("content", [archive("another"), b"not an archive"])
def test_an_archive_without_the_program_lets_the_next_source_try(
    publisher: Publisher, directory: Path, content: bytes
) -> None:
    publisher.offer("tool.tgz", content)
    with pytest.raises(SourceFailed, match="archive of tool cannot be read"):
        official.fetch(publisher.tool("tool.tgz", member="tool"), directory)


def test_a_machine_without_published_programs_is_named(
    publisher: Publisher, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SourceFailed, match="tool is not published for riscv64"):
        official.fetch(publisher.tool("tool-{arch}"), directory)


def test_a_host_that_does_not_answer_is_left_out_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def hang(*arguments: object, **options: object) -> None:
        never.wait()
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", hang)
    monkeypatch.setattr(official, "PROBE_S", 0.05)
    tools = [tool_at("https://one.test/tool"), tool_at("https://two.test/tool")]
    assert official.reachable_hosts(tools) == set()
    never.set()
