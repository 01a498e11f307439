"""The only inline program. It registers what a program declares with the engine that runs it."""

import pulumi

from stacks.declarations import Declaration, Program
from stacks.metadata import PROVIDER_VERSION, Manifest


def register(program: Program) -> None:
    """Register the provider and all declarations, and export the outputs.

    It uses Pulumi's general class, which sends manifests unchanged. The classes of the package pulumi_kubernetes
    translate names. Their import takes half a second and 23 MB, and it happens lazily, in whichever thread is first.
    """
    provider = pulumi.ProviderResource(
        "kubernetes", "kubernetes", program.provider, pulumi.ResourceOptions(version=PROVIDER_VERSION)
    )
    made: dict[str, pulumi.Resource] = {}
    for item in program.declarations:
        options = pulumi.ResourceOptions(
            provider=provider,
            version=PROVIDER_VERSION,
            retain_on_delete=item.retain_on_delete,
            depends_on=[made[name] for name in item.depends_on],
            additional_secret_outputs=list(item.secret_fields),
        )
        made[item.name] = pulumi.CustomResource(item.type, item.name, _properties(item), options)
    for name, value in program.outputs.items():
        pulumi.export(name, value)


def _properties(item: Declaration) -> Manifest:
    return {
        name: pulumi.Output.secret(value) if name in item.secret_fields else value
        for name, value in item.manifest.items()
    }
