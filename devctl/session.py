"""What a command works with: the user's settings, the cluster, the namespace and where its output goes."""

from dataclasses import dataclass, field
from functools import cached_property

from devctl import config
from devctl.config import Config
from devctl.kube.api import Api
from devctl.kube.kubeconfig import connect
from devctl.terminal.output import Terminal


@dataclass
class Session:
    """One command's. The cluster is asked for nothing before it is needed."""

    config: Config
    kubeconfig: str | None
    context: str | None
    given_namespace: str | None
    output: str
    terminal: Terminal = field(default_factory=Terminal)

    @classmethod
    def open(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        namespace: str | None = None,
        output: str | None = None,
    ) -> "Session":
        """From a command's options, which take precedence over the settings. Raises Misuse if their file is faulty."""
        settings = config.load()
        return cls(
            settings,
            kubeconfig,
            context or settings.context,
            namespace or settings.namespace,
            output or settings.output,
        )

    @cached_property
    def api(self) -> Api:
        """The cluster. Raises Unreachable."""
        return connect(self.kubeconfig, self.context)

    @property
    def namespace(self) -> str:
        """The namespace that the command is about."""
        return self.given_namespace or self.api.target.namespace
