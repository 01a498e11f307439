"""The way into a DevServer: whose keys open it, and where SSH clients connect to."""

from typing import Annotated

from pydantic import Field

from crds.base import Model, StatusModel
from crds.fields import pattern

_KEY_TYPES = (
    r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com"
)
PublicKey = Annotated[
    str,
    Field(
        pattern=pattern(rf"({_KEY_TYPES}) [A-Za-z0-9+/]+={{0,2}}( [\x20-\x7e]{{0,256}})?"),
        max_length=6144,
        description="One line of a .pub file, for example the content of ~/.ssh/id_ed25519.pub. Options are not "
        "allowed.",
    ),
]


class Ssh(Model):
    """Who may log in over SSH. A change takes effect within about a minute, without a restart."""

    public_key: Annotated[
        PublicKey,
        Field(
            description="SSH public key that may log in as the user dev: one line of a .pub file, for example the "
            "content of ~/.ssh/id_ed25519.pub. Options are not allowed."
        ),
    ]
    additional_public_keys: Annotated[
        list[PublicKey],
        Field(max_length=16, description="Further SSH public keys that may log in, up to 16."),
    ] = []


class SshStatus(StatusModel):
    """The SSH Service and the host keys of the DevServer."""

    service: Annotated[
        str, Field(max_length=63, description="Name of the Service for SSH, in the DevServer's namespace.")
    ]
    port: Annotated[int, Field(ge=1, le=65535, description="Port of that Service.")]
    host_keys: Annotated[
        list[Annotated[str, Field(max_length=6144)]],
        Field(
            max_length=8,
            description="Public host keys, each as TYPE BASE64. Put them into known_hosts so that SSH clients check "
            "them.",
        ),
    ] = []


class SshAddress(StatusModel):
    """Where SSH clients connect to. It depends on the type of the SSH Service."""

    type: Annotated[
        str,
        Field(max_length=32, description="Type of the SSH Service: ClusterIP, NodePort or LoadBalancer."),
    ]
    host: Annotated[
        str,
        Field(
            max_length=253,
            description="For ClusterIP, the Service's DNS name in the cluster; for NodePort, the address of the pod's "
            "node; for LoadBalancer, the address of the load balancer.",
        ),
    ]
    port: Annotated[int, Field(ge=1, le=65535, description="Port to connect to at that host.")]
