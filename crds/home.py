"""The home of a DevServer: a volume of its own."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model
from crds.fields import DnsSubdomain
from crds.quantities import StorageSize, parse_quantity
from crds.rules import Rule

HOME_PATH = "/home/dev"


class Home(Model):
    """A volume of the DevServer's own, mounted at /home/dev. It survives restarts, stop and start.

    Adding or removing it restarts the pod.
    """

    size: Annotated[
        StorageSize,
        Field(
            description="Size of the volume, for example 10Gi. It can be raised if the storage class allows expansion, "
            "never lowered."
        ),
        Rule(
            "quantity(self).compareTo(quantity(oldSelf)) >= 0",
            "a home cannot shrink: keep the size or raise it",
        ),
        Rule(
            "quantity(self).isGreaterThan(quantity('0'))",
            "must be more than 0",
            lambda s: parse_quantity(s) > 0,
        ),
    ]
    storage_class_name: (
        Annotated[
            DnsSubdomain,
            Field(
                description="StorageClass of the volume. Without it, the cluster's default class is used. It cannot be "
                "changed later."
            ),
        ]
        | None
    ) = None
    on_delete: Annotated[
        Literal["Retain", "Delete"],
        Field(
            description="What happens to the volume when the DevServer is deleted or expires. Retain (the default): it "
            "is kept for a DevServer of the same name and owner. Delete: it is deleted with its data."
        ),
    ] = "Retain"


HOME_STAYS = Rule(
    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
    "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "storageClassName of a home cannot be changed: the data would have to move",
)
