"""The settings of one cluster, and the addresses and names that follow from them."""

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

NETWORK_SETTINGS = ("node_subnet", "service_cidr", "pod_cidr")


def _private(network: IPv4Network) -> IPv4Network:
    if not network.is_private:
        raise ValueError(
            f"{network} is not a private range; use one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"
        )
    return network


def _sized(smallest: int, largest: int) -> AfterValidator:
    def check(network: IPv4Network) -> IPv4Network:
        if not largest <= network.prefixlen <= smallest:
            raise ValueError(f"{network} must have a prefix length of {largest} to {smallest}")
        return network

    return AfterValidator(check)


class Settings(BaseSettings):
    """Settings of a cluster; each can be set in the environment, as in LOCALCLUSTER_NAME.

    A range that is not set is chosen among the host's free ones when the cluster is made,
    and belongs to the cluster until `down`.
    """

    model_config = SettingsConfigDict(env_prefix="LOCALCLUSTER_", frozen=True, extra="forbid")

    name: str = Field(
        default="devserver",
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        max_length=10,
        description="Names the node, the host's interface NAME-veth, the cgroup and the state directory.",
    )
    node_subnet: Annotated[IPv4Network, AfterValidator(_private), _sized(smallest=29, largest=16)] = Field(
        default=IPv4Network("10.99.0.0/24"),
        description="The link between the host (last address) and the node (first).",
    )
    service_cidr: Annotated[IPv4Network, AfterValidator(_private), _sized(smallest=24, largest=12)] = Field(
        default=IPv4Network("10.96.0.0/16"),
        description="ClusterIPs: the first is the API server, the tenth the DNS.",
    )
    pod_cidr: Annotated[IPv4Network, AfterValidator(_private), _sized(smallest=26, largest=16)] = Field(
        default=IPv4Network("10.244.0.0/24"), description="The pods' addresses; bounds the number of pods."
    )
    ready_timeout_s: float = Field(
        default=180, gt=0, description="How long `up` waits for the cluster, in seconds."
    )

    @model_validator(mode="after")
    def _ranges_are_apart(self) -> Self:
        # Defaults may overlap with what was set: they move out of the way (addresses.choose).
        networks = [
            (field, getattr(self, field)) for field in NETWORK_SETTINGS if field in self.model_fields_set
        ]
        for index, (field, network) in enumerate(networks):
            for other_field, other in networks[index + 1 :]:
                if network.overlaps(other):
                    raise ValueError(f"{field} {network} and {other_field} {other} overlap")
        return self

    @property
    def node_ip(self) -> IPv4Address:
        """The node's address, where the host finds the API server."""
        return self.node_subnet[1]

    @property
    def host_ip(self) -> IPv4Address:
        """The host's address on the link to the node."""
        return self.node_subnet[-2]

    @property
    def kubernetes_ip(self) -> IPv4Address:
        """The ClusterIP of the Service `kubernetes`."""
        return self.service_cidr[1]

    @property
    def dns_ip(self) -> IPv4Address:
        """The ClusterIP of the Service `kube-dns`."""
        return self.service_cidr[10]

    @property
    def server(self) -> str:
        """The API server's URL for the host."""
        return f"https://{self.node_ip}:6443"

    @property
    def veth(self) -> str:
        """The host's end of the link to the node (an interface name: at most 15 characters)."""
        return f"{self.name}-veth"

    @property
    def cgroup(self) -> str:
        """The cgroup that holds all pods, below the root of each hierarchy."""
        return f"localcluster-{self.name}"
