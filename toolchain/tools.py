"""The table of tools: what is pinned, how it is built, where its publisher offers it, how it tells its version."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from .errors import ToolchainError
from .pins import module_digest, required_version


@dataclass(frozen=True)
class ModuleFile:
    """A file that a Go module carries beside its source, installed as an executable."""

    module_path: str
    path: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class GoProgram:
    """One executable and what `go build` must be told for it."""

    name: str
    module: str
    """Directory under toolchain/ whose go.mod pins it."""
    package: str
    """Import path of the main package; "." for one of our own."""
    stamp: str = ""
    """VARIABLE=VALUE that the linker sets, so that the program knows its version."""
    scripts: tuple[ModuleFile, ...] = ()
    """Files that must lie beside the executable."""


@dataclass(frozen=True)
class Download:
    """A published file. Its SHA-256 is published at the same address with ".sha256" appended."""

    url: str
    """May hold {arch}, which becomes Go's name of this machine's architecture (amd64, arm64)."""
    member: str = ""
    """Name inside the archive, if the file is a .tgz; empty: the file is the program."""


@dataclass(frozen=True)
class PulumiInstaller:
    """`PulumiCommand.install` of Pulumi's Automation API, which brings the language hosts too."""

    url: str = "https://get.pulumi.com/install.sh"


@dataclass(frozen=True)
class PulumiPluginInstaller:
    """`pulumi plugin install resource KIND VERSION`."""

    url: str = "https://get.pulumi.com/releases/plugins/"


@dataclass(frozen=True)
class Tool:
    """One thing to install: a program, and the programs that must lie in the same directory."""

    name: str
    version: str
    programs: tuple[GoProgram, ...]
    version_args: tuple[str, ...]
    version_word: str
    """The word that the program prints, given `version_args`, if and only if it is the pinned version."""
    official: Download | PulumiInstaller | PulumiPluginInstaller | None = None
    """Where its publisher offers it; None for a program of our own, which is always built."""
    plugin_kind: str = ""
    """For a Pulumi resource plugin, its kind: it is installed into a PULUMI_HOME of its own."""
    needs: tuple[str, ...] = ()
    """Tools that installing this one uses."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all executables, the tool's own first."""
        return tuple(
            name
            for program in self.programs
            for name in (program.name, *(script.name for script in program.scripts))
        )

    @property
    def key(self) -> str:
        """Directory name in the cache: the version, and a digest of everything that decides what is built."""
        digest = hashlib.sha256(repr(self.programs).encode())
        for module in sorted({program.module for program in self.programs}):
            digest.update(module_digest(module).encode())
        return f"{self.version}-{digest.hexdigest()[:10]}"


PULUMI = required_version("pulumi", "github.com/pulumi/pulumi/pkg/v3")
LANGUAGE_PYTHON = required_version("language-python", "github.com/pulumi/pulumi/sdk/v3")
ENGINE_WORKER = required_version("engine-worker", "github.com/pulumi/pulumi/pkg/v3")
KUBERNETES = required_version("kubernetes", "k8s.io/kubernetes")
COREDNS = required_version("coredns", "github.com/coredns/coredns")
PROVIDER = "4.27.0"
"""Equals the Python package pulumi-kubernetes. The Go module's own version is that of a commit just before it."""


def _kubernetes(name: str, *version_args: str) -> Tool:
    build = GoProgram(
        name,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        stamp=f"k8s.io/component-base/version.gitVersion={KUBERNETES}",
    )
    published = Download(f"https://dl.k8s.io/release/{KUBERNETES}/bin/linux/{{arch}}/{name}")
    return Tool(name, KUBERNETES, (build,), version_args, version_word=KUBERNETES, official=published)


_PULUMI_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

TOOLS = (
    Tool(
        "pulumi",
        PULUMI,
        # With PULUMI_IGNORE_AMBIENT_PLUGINS=1 the CLI looks for language hosts beside itself only.
        programs=(
            GoProgram(
                "pulumi",
                module="pulumi",
                package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
                stamp=f"{_PULUMI_VERSION}={PULUMI}",
            ),
            GoProgram(
                "pulumi-language-python",
                module="language-python",
                package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
                stamp=f"{_PULUMI_VERSION}={LANGUAGE_PYTHON}",
                scripts=(
                    ModuleFile("github.com/pulumi/pulumi/sdk/v3", "python/cmd/pulumi-language-python-exec"),
                ),
            ),
        ),
        version_args=("version",),
        version_word=PULUMI,
        official=PulumiInstaller(),
    ),
    Tool(
        "pulumi-resource-kubernetes",
        PROVIDER,
        programs=(
            GoProgram(
                "pulumi-resource-kubernetes",
                module="provider",
                package=".",
                stamp=f"main.version={PROVIDER}",
            ),
        ),
        version_args=("--version",),
        version_word=PROVIDER,
        official=PulumiPluginInstaller(),
        plugin_kind="kubernetes",
        needs=("pulumi",),
    ),
    Tool(
        "pulumi-engine-worker",
        ENGINE_WORKER,
        programs=(
            GoProgram(
                "pulumi-engine-worker",
                module="engine-worker",
                package="./worker",
                stamp=f"{_PULUMI_VERSION}={ENGINE_WORKER}",
            ),
            GoProgram("pulumi-provider-proxy", module="engine-worker", package="./provider-proxy"),
        ),
        version_args=("version",),
        version_word=ENGINE_WORKER,
    ),
    _kubernetes("kube-apiserver", "--version"),
    _kubernetes("kube-controller-manager", "--version"),
    _kubernetes("kube-scheduler", "--version"),
    _kubernetes("kubelet", "--version"),
    _kubernetes("kube-proxy", "--version"),
    _kubernetes("kubectl", "version", "--client"),
    Tool(
        "coredns",
        COREDNS,
        programs=(GoProgram("coredns", module="coredns", package="."),),
        version_args=("-version",),
        version_word=f"CoreDNS-{COREDNS.removeprefix('v')}",
        official=Download(
            f"https://github.com/coredns/coredns/releases/download/{COREDNS}"
            f"/coredns_{COREDNS.removeprefix('v')}_linux_{{arch}}.tgz",
            member="coredns",
        ),
    ),
)


def provider_of(name: str) -> Tool:
    """The tool that brings the executable `name`. Raises ToolchainError for an unknown name."""
    for tool in TOOLS:
        if name in tool.files:
            return tool
    known = ", ".join(tool.name for tool in TOOLS)
    raise ToolchainError(f"{name!r} is not a tool of this project; known are: {known}")


@functools.cache
def toolset_digest() -> str:
    """Names the set of all tools in their pinned versions, so that two checkouts do not disturb each other."""
    return hashlib.sha256("\n".join(tool.name + tool.key for tool in TOOLS).encode()).hexdigest()[:12]
