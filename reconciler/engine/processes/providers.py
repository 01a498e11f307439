"""Where the Pulumi provider of a run comes from: a process of the run's own, or one that all runs share."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class ProviderLease:
    """A provider for the length of one operation. environment: what the engine must be told to find it."""

    environment: Mapping[str, str] = field(default_factory=dict)

    def examine(self, output: str) -> None:
        """Look at what a failed operation said for signs that it is the provider that is broken."""


class Providers(Protocol):
    """Lends providers."""

    def lend(self) -> AbstractContextManager[ProviderLease]:
        """A provider until the block ends. Never fails: without another, the engine starts its own."""


class PrivateProviders:
    """Every engine starts a provider for each of its operations, and ends it."""

    @contextmanager
    def lend(self) -> Iterator[ProviderLease]:
        """Nothing but leave to start one."""
        yield ProviderLease()
