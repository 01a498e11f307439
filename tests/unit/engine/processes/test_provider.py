"""When the shared provider is started, replaced and stopped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from reconciler.engine.processes.provider import ProviderLimits, SharedProvider
from reconciler.engine.processes.provider_process import ProviderError, ProviderProcess
from reconciler.engine.processes.result import EngineDiedError, RunKilledError
from tests.metering import Growth

LIMITS = ProviderLimits(max_runs=10, max_age_s=1000, idle_s=60)
UNREACHABLE = "error: configured Kubernetes cluster is unreachable: unable to load schema information"


@dataclass
class Process:
    """A provider that exists only here."""

    port: int
    alive: bool = True

    def stop(self) -> None:
        self.alive = False


@dataclass
class Machine:
    """Starts processes, which get the ports 1, 2, 3, ... , and says what time it is."""

    processes: list[Process] = field(default_factory=list)
    now: float = 0.0
    broken: bool = False

    def start(self) -> ProviderProcess:
        if self.broken:
            raise ProviderError("no port")
        self.processes.append(Process(len(self.processes) + 1))
        return cast(ProviderProcess, self.processes[-1])

    @property
    def alive(self) -> list[int]:
        return [process.port for process in self.processes if process.alive]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def provider(machine: Machine) -> Iterator[SharedProvider]:
    shared = SharedProvider(machine.start, LIMITS, lambda: machine.now)
    yield shared
    shared.stop()
    assert machine.alive == []


def port(provider: SharedProvider, output: str = "") -> int | None:
    """The port that a run attaches to; output: what it said when it failed."""
    with provider.lease() as lease:
        if output:
            lease.examine(output)
        attached = lease.environment.get("PULUMI_DEBUG_PROVIDERS")
    return int(attached.removeprefix("kubernetes:")) if attached else None


def test_none_is_started_before_the_first_run(provider: SharedProvider, machine: Machine) -> None:
    assert machine.alive == []


def test_one_that_was_started_ahead_serves_the_first_run(provider: SharedProvider, machine: Machine) -> None:
    provider.warm_up()
    assert port(provider) == 1
    assert machine.alive == [1]


def test_runs_share_one(provider: SharedProvider, machine: Machine) -> None:
    assert [port(provider) for _ in range(5)] == [1] * 5


def test_one_that_died_is_replaced(provider: SharedProvider, machine: Machine) -> None:
    growth = Growth()
    port(provider)
    machine.processes[0].alive = False
    assert port(provider) == 2
    assert growth("devserver_engine_restarts_total", process="provider", reason="died") == 1


@pytest.mark.parametrize(
    "output",
    [
        UNREACHABLE,
        "error: rpc error: code = Unavailable desc = connection error",
        "error: the server has asked for the client to provide credentials",
    ],
)
def test_one_that_shows_a_symptom_is_replaced(
    provider: SharedProvider, machine: Machine, output: str
) -> None:
    growth = Growth()
    port(provider, output)
    assert port(provider) == 2
    assert machine.alive == [2]
    assert growth("devserver_engine_restarts_total", process="provider", reason="failed") == 1


def test_a_failure_of_the_run_itself_is_no_symptom(provider: SharedProvider) -> None:
    port(provider, 'error: services "box-ssh" is forbidden: exceeded quota')
    assert port(provider) == 1


def test_one_whose_run_passed_the_deadline_is_replaced(provider: SharedProvider) -> None:
    with pytest.raises(RunKilledError), provider.lease():
        raise RunKilledError("killed after 120 s")
    assert port(provider) == 2


def test_the_death_of_an_engine_is_not_its_fault(provider: SharedProvider) -> None:
    port(provider)
    with pytest.raises(EngineDiedError), provider.lease():
        raise EngineDiedError("panicked")
    assert port(provider) == 1


def test_runs_in_progress_keep_theirs_until_they_end(provider: SharedProvider, machine: Machine) -> None:
    with provider.lease():
        port(provider, UNREACHABLE)
        assert port(provider) == 2
        assert machine.alive == [1, 2]
    assert machine.alive == [2]


def test_one_is_replaced_after_its_runs_before_it_is_stopped(
    provider: SharedProvider, machine: Machine
) -> None:
    growth = Growth()
    for _ in range(LIMITS.max_runs):
        port(provider)
    with provider.lease():
        provider.tidy()
        assert machine.alive == [1, 2]
        assert port(provider) == 2
    assert machine.alive == [2]
    assert growth("devserver_engine_restarts_total", process="provider", reason="runs") == 1


def test_one_is_replaced_when_it_is_old(provider: SharedProvider, machine: Machine) -> None:
    growth = Growth()
    for machine.now in (0, 30, 60, 90):
        port(provider)
    machine.now = LIMITS.max_age_s
    port(provider)
    provider.tidy()
    assert machine.alive == [2]
    assert growth("devserver_engine_restarts_total", process="provider", reason="age") == 1


def test_one_that_is_idle_is_stopped_and_the_next_run_starts_another(
    provider: SharedProvider, machine: Machine
) -> None:
    port(provider)
    machine.now = LIMITS.idle_s - 1
    provider.tidy()
    assert machine.alive == [1]
    machine.now = LIMITS.idle_s
    provider.tidy()
    assert machine.alive == []
    assert port(provider) == 2


def test_one_in_use_is_not_idle(provider: SharedProvider, machine: Machine) -> None:
    with provider.lease():
        machine.now = LIMITS.idle_s * 2
        provider.tidy()
        assert machine.alive == [1]


def test_where_none_can_be_started_runs_start_their_own_for_a_while(
    provider: SharedProvider, machine: Machine
) -> None:
    machine.broken = True
    assert port(provider) is None
    machine.broken = False
    assert port(provider) is None
    machine.now = 31
    assert port(provider) == 1


def test_a_worn_one_stays_while_no_other_can_be_started(provider: SharedProvider, machine: Machine) -> None:
    for _ in range(LIMITS.max_runs):
        port(provider)
    machine.broken = True
    provider.tidy()
    assert port(provider) == 1


def test_after_the_stop_there_is_none(provider: SharedProvider, machine: Machine) -> None:
    provider.stop()
    assert port(provider) is None
    assert machine.processes == []
