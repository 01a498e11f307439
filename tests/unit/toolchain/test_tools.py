"""The table of tools agrees with itself and with the Python packages that go with them."""

from __future__ import annotations

import importlib.metadata

import pytest

from toolchain import tools
from toolchain.errors import ToolchainError


def test_pinned_binaries_are_those_of_the_python_packages() -> None:
    assert importlib.metadata.version("pulumi") == tools.PULUMI.removeprefix("v")
    assert importlib.metadata.version("pulumi-kubernetes") == tools.PROVIDER


def test_a_tool_stands_after_those_that_it_needs() -> None:
    names = [tool.name for tool in tools.TOOLS]
    for tool in tools.TOOLS:
        assert all(names.index(needed) < names.index(tool.name) for needed in tool.needs)


def test_an_unknown_tool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ToolchainError, match=r"'kubeadm' is not a tool .* kubelet"):
        tools.provider_of("kubeadm")
