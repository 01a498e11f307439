"""Choosing addresses that the host does not use."""

import json
from collections.abc import Iterable
from ipaddress import IPv4Network

from localcluster.errors import AddressClash
from localcluster.run import run
from localcluster.settings import NETWORK_SETTINGS, Settings

_LAST_PRIVATE = IPv4Network("10.0.0.0/8").broadcast_address


def host_networks(except_interface: str) -> dict[IPv4Network, str]:
    """The networks that the host's routes cover, each with its interface; default routes do not count."""
    routes = json.loads(run("ip", "-4", "-j", "route", "show", "table", "all"))
    return {
        IPv4Network(route["dst"]): route.get("dev", "no interface")
        for route in routes
        if route["dst"] != "default" and route.get("dev") != except_interface
    }


def choose(settings: Settings, taken: dict[IPv4Network, str]) -> Settings:
    """`settings` with every range free on the host.

    A range that was set explicitly stays; a default one moves on to the next free range of its size.

    Raises:
        AddressClash: an explicitly set range overlaps with one of `taken`.
    """
    explicit = [field for field in NETWORK_SETTINGS if field in settings.model_fields_set]
    chosen: dict[str, IPv4Network] = {}
    for field in explicit:
        chosen[field] = getattr(settings, field)
        fix = f"set LOCALCLUSTER_{field.upper()} to a free range, or unset it to have one chosen"
        _check(field, chosen[field], taken, fix)
    for field in NETWORK_SETTINGS:
        if field not in chosen:
            chosen[field] = _next_free(getattr(settings, field), [*taken, *chosen.values()])
    return Settings(name=settings.name, ready_timeout_s=settings.ready_timeout_s, **chosen)


def check_free(settings: Settings, taken: dict[IPv4Network, str]) -> None:
    """Raise AddressClash if a range that an existing cluster was made with overlaps with one of `taken`."""
    for field in NETWORK_SETTINGS:
        _check(field, getattr(settings, field), taken, "run down, then up, to have other ranges chosen")


def _check(field: str, network: IPv4Network, taken: dict[IPv4Network, str], fix: str) -> None:
    for other, interface in taken.items():
        if network.overlaps(other):
            raise AddressClash(
                f"{field} {network} overlaps with {other}, which the host uses on {interface}: {fix}"
            )


def _next_free(network: IPv4Network, taken: Iterable[IPv4Network]) -> IPv4Network:
    taken = list(taken)
    while any(network.overlaps(other) for other in taken):
        following = network.broadcast_address + 1
        if following > _LAST_PRIVATE:
            raise AddressClash(
                f"no range of the size /{network.prefixlen} is free in 10.0.0.0/8 on this host"
            )
        network = IPv4Network((following, network.prefixlen))
    return network
