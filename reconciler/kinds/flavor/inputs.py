"""Makes the inputs of a DevServerFlavor's program. Pure."""

from crds import DevServerFlavor
from reconciler.kube.objects import Object, owner_of
from reconciler.settings import Settings
from stacks.flavor import DevServerFlavorInputs


def flavor_inputs(
    settings: Settings, cluster_id: str, resource: Object, flavor: DevServerFlavor
) -> DevServerFlavorInputs:
    """Inputs of a DevServerFlavor's program. resource: the watched object. flavor: the same, parsed."""
    return DevServerFlavorInputs(
        owner=owner_of(resource),
        spec=flavor.spec,
        namespace=settings.namespace,
        tools_image=settings.tools_image,
        cluster_id=cluster_id,
    )
