"""The kinds of objects, and that nothing slow is loaded for them."""

import subprocess
import sys

import pytest

from crds.resources import DEVSERVER, FLAVOR, POD, SECRET, Resource

SLOW = ("pydantic", "kubernetes")


@pytest.mark.parametrize("module", ["crds", "crds.resources", "crds.times"])
def test_what_holds_no_models_loads_none(module: str) -> None:
    program = (
        f"import sys, {module}; print(sorted({{name.split('.')[0] for name in sys.modules}} & set({SLOW})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_models_are_loaded_when_they_are_asked_for() -> None:
    program = "import sys, crds; assert 'pydantic' not in sys.modules; print(*(getattr(crds, n) for n in crds.__all__))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "<class 'crds.devserver.DevServer'>" in done.stdout


def test_what_the_package_does_not_offer_is_an_error() -> None:
    program = "import crds; crds.Model"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "AttributeError: module 'crds' has no attribute 'Model'" in done.stderr


@pytest.mark.parametrize(
    ("resource", "path", "expected"),
    [
        (SECRET, ("dev-ada", "box"), "/api/v1/namespaces/dev-ada/secrets/box"),
        (SECRET, ("../x", "a/b?c"), "/api/v1/namespaces/..%2Fx/secrets/a%2Fb%3Fc"),
        (POD, ("dev-ada", "box-0", "log"), "/api/v1/namespaces/dev-ada/pods/box-0/log"),
        (DEVSERVER, ("dev-ada", "box"), "/apis/devserver.io/v1/namespaces/dev-ada/devservers/box"),
        (DEVSERVER, ("dev-ada",), "/apis/devserver.io/v1/namespaces/dev-ada/devservers"),
        (DEVSERVER, (), "/apis/devserver.io/v1/devservers"),
        (FLAVOR, ("", "gpu"), "/apis/devserver.io/v1/devserverflavors/gpu"),
        (FLAVOR, ("dev-ada", "gpu"), "/apis/devserver.io/v1/devserverflavors/gpu"),
    ],
)
def test_a_path_names_the_collection_or_the_object(
    resource: Resource, path: tuple[str, ...], expected: str
) -> None:
    assert resource.path(*path) == expected
