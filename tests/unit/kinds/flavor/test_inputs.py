"""From a DevServerFlavor to the inputs of its program."""

from crds import DevServerFlavor
from crds.times import parse_time
from reconciler.settings import Settings
from tests.builders import CREATED, kinds, resource


def test_a_flavor_is_prewarmed_in_the_reconcilers_namespace() -> None:
    made = resource("DevServerFlavor", "cpu-small", default=True)
    known = kinds(made, settings=Settings(namespace="elsewhere")).flavor
    inputs = known.inputs(made, DevServerFlavor.model_validate(made), parse_time(CREATED))
    assert (inputs.namespace, inputs.owner.uid, inputs.spec.default) == ("elsewhere", "uid-cpu-small", True)
