"""Worker or CLI, shared or private provider: the results are the same."""

import shutil

import pytest

from reconciler.engine.outcome import EngineError
from reconciler.status import reasons
from reconciler.status.errors import EngineFailedError, EngineTimeoutError, StalledError
from tests.engine_speed.conftest import IGNORE_LEFTOVERS, Drive
from tests.engine_speed.driver import Driver, descendants
from tests.patience import generous

pytestmark = [pytest.mark.cluster, IGNORE_LEFTOVERS]

# Time enough for any run that has an end.
DEADLINE_S = 20
MODES = [
    pytest.param(
        {"engine_mode": engine, "provider_mode": provider},
        id=f"{engine}-{provider}",
        # The short form takes the two that have nothing in common.
        marks=() if (engine, provider) in (("worker", "shared"), ("cli", "private")) else pytest.mark.full,
    )
    for engine in ("worker", "cli")
    for provider in ("shared", "private")
]


@pytest.mark.parametrize("mode", MODES)
async def test_a_stack_lives_alike_in_every_mode(drive: Drive, mode: dict[str, str]) -> None:
    async with drive(**mode) as driver:
        (stack,) = driver.make()

        made = await driver.up(stack)
        assert (made.error, made.changes) == (None, {"create": 7})
        assert driver.live() == {stack.owner.uid: stack.children}

        same = await driver.up(stack)
        assert (same.error, same.changes) == (None, {"same": 7})

        stack.image = "local/busybox:2"
        changed = await driver.up(stack)
        assert (changed.error, changed.changes) == (None, {"same": 6, "update": 1})

        drift = ("patch", "service", f"{stack.owner.name}-ssh", f"--namespace={driver.namespace}")
        driver.cluster.kubectl(
            *drift, "--type=merge", '--patch={"spec":{"ports":[{"name":"ssh","port":2200}]}}'
        )
        refreshed = await driver.up(stack, refresh=True)
        assert (refreshed.error, refreshed.changes) == (None, {"same": 6, "update": 1})

        revealed = await driver.engine.reveal(stack.name, stack.stored, driver.keys)
        assert "PRIVATE 1" not in stack.stored.decode()
        assert len(revealed["deployment"]["resources"]) == 7

        gone = await driver.destroy(stack)
        assert (gone.error, gone.changes) == (None, {"delete": 7})
        assert driver.live() == {}
    assert descendants("pulumi-resource-kubernetes") == []
    assert descendants("pulumi-engine-worker") == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_failing_run_fails_alike_and_leaves_a_checkpoint(drive: Drive, mode: dict[str, str]) -> None:
    async with drive(**mode) as driver:
        (stack,) = driver.make()
        driver.cluster.kubectl(
            "create",
            "service",
            "clusterip",
            f"{stack.owner.name}-ssh",
            "--tcp=80",
            f"--namespace={driver.namespace}",
        )
        failed = await driver.up(stack)
        assert isinstance(failed.error, StalledError)
        assert failed.error.reason == reasons.NAME_CONFLICT
        assert f"Service {stack.owner.name}-ssh belongs to someone else" in failed.error.message

        driver.cluster.kubectl(
            "delete", "service", f"{stack.owner.name}-ssh", f"--namespace={driver.namespace}"
        )
        healed = await driver.up(stack)
        assert healed.error is None
        assert driver.live() == {stack.owner.uid: stack.children}


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
async def test_an_error_of_the_program_is_an_error_of_the_run(drive: Drive, mode: dict[str, str]) -> None:
    async with drive(**mode) as driver:
        (stack,) = driver.make()
        outcome = await driver.engine.up(stack.name, _broken, stack.stored, driver.keys)
        assert isinstance(outcome.error, EngineFailedError)
        assert "the program is broken" in outcome.error.message


def _broken() -> None:
    raise ValueError("the program is broken")


@pytest.mark.full
@pytest.mark.parametrize("mode", MODES)
async def test_a_run_past_its_deadline_is_killed_and_the_next_one_works(
    drive: Drive, mode: dict[str, str]
) -> None:
    async with drive(**mode, run_deadline_s=DEADLINE_S) as driver:
        stack, other = driver.make(2)
        assert (await driver.up(stack)).error is None
        late = await (await driver.start_endless(stack))
        assert isinstance(late.error, EngineTimeoutError)
        assert late.error.message == f"The Pulumi run was killed after {DEADLINE_S} s; trying again."
        assert late.checkpoint is None
        assert late.duration_s < DEADLINE_S + generous(2)
        assert (await driver.up(other)).error is None


async def test_a_mode_that_is_not_installed_is_refused(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: found(name) if "worker" not in name else None)
    with pytest.raises(
        EngineError, match=r"there is no pulumi-engine-worker 3\.\S+ on PATH: run `make tools`"
    ):
        async with drive(engine_mode="worker"):
            pass


async def test_without_worker_and_proxy_on_path_the_cli_and_private_providers_serve(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which
    missing = ("pulumi-engine-worker", "pulumi-provider-proxy")
    monkeypatch.setattr(shutil, "which", lambda name: found(name) if name not in missing else None)
    async with drive() as driver:
        await _makes_and_removes_one(driver)
        assert descendants("pulumi-provider-proxy") == []


async def _makes_and_removes_one(driver: Driver) -> None:
    (stack,) = driver.make()
    assert (await driver.up(stack)).error is None
    assert (await driver.destroy(stack)).error is None
