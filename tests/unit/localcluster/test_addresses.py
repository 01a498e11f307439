"""The choice of a local cluster's addresses."""

from ipaddress import IPv4Network

import pytest

from localcluster.addresses import check_free, choose
from localcluster.errors import AddressClash
from localcluster.settings import Settings


def taken(*networks: str) -> dict[IPv4Network, str]:
    return {IPv4Network(network): "eth0" for network in networks}


def ranges(settings: Settings) -> tuple[str, str, str]:
    return str(settings.node_subnet), str(settings.service_cidr), str(settings.pod_cidr)


DEFAULTS = ("10.99.0.0/24", "10.96.0.0/16", "10.244.0.0/24")


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param([], DEFAULTS, id="a host without such addresses gets the defaults"),
        pytest.param(["192.168.1.0/24", "172.17.0.0/16"], DEFAULTS, id="other private ranges do not matter"),
        pytest.param(
            ["10.99.0.0/24"],
            ("10.99.1.0/24", *DEFAULTS[1:]),
            id="a taken subnet moves to the next of its size",
        ),
        pytest.param(
            ["10.99.0.7/32"], ("10.99.1.0/24", *DEFAULTS[1:]), id="one address is enough of a clash"
        ),
        pytest.param(
            ["10.96.0.0/14"],
            ("10.100.0.0/24", "10.101.0.0/16", DEFAULTS[2]),
            id="a wide range moves what lies in it, and what moved is not met by the next",
        ),
        pytest.param(
            ["10.99.0.0/24", "10.96.0.0/16", "10.244.0.0/24"],
            ("10.99.1.0/24", "10.97.0.0/16", "10.244.1.0/24"),
            id="a second cluster stands beside the first",
        ),
    ],
)
def test_default_ranges_move_out_of_the_hosts_way(used: list[str], expected: tuple[str, str, str]) -> None:
    assert ranges(choose(Settings(name="x"), taken(*used))) == expected


def test_a_default_range_moves_out_of_the_way_of_one_that_was_set() -> None:
    settings = choose(Settings(node_subnet=IPv4Network("10.96.5.0/24")), {})
    assert ranges(settings) == ("10.96.5.0/24", "10.97.0.0/16", "10.244.0.0/24")


def test_a_range_that_was_set_is_never_moved_and_the_clash_names_the_setting() -> None:
    settings = Settings(pod_cidr=IPv4Network("10.50.0.0/24"))
    with pytest.raises(
        AddressClash, match=r"pod_cidr 10.50.0.0/24 .* 10.50.0.0/16, .* eth0: set LOCALCLUSTER_POD_CIDR"
    ):
        choose(settings, taken("10.50.0.0/16"))


def test_a_kept_cluster_whose_addresses_the_host_took_says_what_to_do() -> None:
    with pytest.raises(AddressClash, match="run down, then up"):
        check_free(Settings(), taken("10.99.0.0/16"))


def test_a_host_without_free_addresses_is_told_so() -> None:
    with pytest.raises(AddressClash, match="no range of the size /24 is free"):
        choose(Settings(name="x"), taken("10.0.0.0/8"))
