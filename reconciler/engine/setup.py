"""Assembles the engine from what is installed and from the settings."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from pulumi.automation import PulumiCommand
from semver import VersionInfo

from reconciler.engine.backend import Backend, ExternalBackend, PrivateDirectory
from reconciler.engine.engine import Engine
from reconciler.engine.outcome import EngineError
from reconciler.engine.processes.command import PulumiProcess, PulumiWorker
from reconciler.engine.processes.process_tree import BACKEND_VARIABLE, MARK_VARIABLE, PROCESS_MARK
from reconciler.engine.processes.provider import PrivateProviders, ProviderLimits, Providers, SharedProvider
from reconciler.engine.processes.provider_process import ProviderProcess
from reconciler.engine.processes.worker import Worker
from reconciler.engine.processes.worker_pool import WorkerLimits, WorkerPool
from reconciler.engine.run_dir import backends, own_run_dir
from reconciler.engine.runner import Runner
from reconciler.engine.sdk import isolate_programs
from reconciler.settings import Settings
from stacks.metadata import PROVIDER_VERSION

_log = structlog.get_logger()
_WORKER = "pulumi-engine-worker"
_PROXY = "pulumi-provider-proxy"
# The provider's limits are meant for one run, not for all of them together.
_SHARED_CLIENT = {"PULUMI_K8S_CLIENT_QPS": "400", "PULUMI_K8S_CLIENT_BURST": "800"}
# For processes that stay: less garbage in memory, for a little more processor time.
_FRUGAL = {"GOGC": "50"}
_VERSION_TIMEOUT_S = 30.0
_PASSED_ON = ("PATH", "HOME", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NO_PROXY")

# The variables that external backends may need begin with these.
_CREDENTIALS = ("AWS_", "GOOGLE_", "AZURE_", "PG")


@dataclass(frozen=True)
class Installed:
    """The installed parts of a Pulumi engine. worker: None if runs start the CLI."""

    cli: Path
    version: VersionInfo
    plugins: Path
    worker: Path | None


def find_engine(settings: Settings) -> Installed:
    """The parts that are on PATH. Raises EngineError if they do not suit the SDK or a setting."""
    cli, version = _find_cli()
    plugins = settings.pulumi_home.expanduser() / "plugins"
    if not plugins.is_dir():
        raise EngineError(f"{plugins} does not exist: DEVSERVER_PULUMI_HOME must hold the provider plugin")
    worker = _find_worker(version) if settings.engine_mode != "cli" else None
    if worker is None:
        if settings.engine_mode == "worker":
            raise EngineError(
                f"DEVSERVER_ENGINE_MODE is worker, but there is no {_WORKER} {version} on PATH: run `make tools`"
            )
        _log.info("each run starts the Pulumi CLI", engine_mode=settings.engine_mode)
    return Installed(cli, version, plugins, worker)


@contextmanager
def start_engine(
    settings: Settings, installed: Installed, kubeconfig: Path | None = None
) -> Iterator[Engine]:
    """An engine in a run directory that this process owns. Its processes end with the block.

    kubeconfig: of the engine, if it is not to reach the cluster as this process does.
    """
    with ExitStack() as stack:
        (settings.run_dir / "home" / "plugins").symlink_to(installed.plugins)
        environment = _environment(settings)
        if kubeconfig is not None:
            environment["KUBECONFIG"] = str(kubeconfig)
        isolate_programs()
        commands = _commands(settings, installed, {**environment, **_FRUGAL}, stack)
        engine = Engine(
            Runner(commands, settings.run_dir, environment, _backend(settings)),
            settings.concurrent_runs,
            settings.slow_run_s,
            threads=max(settings.workers, settings.concurrent_runs),
        )
        try:
            yield engine
        finally:
            # Pools stop first, or they would replace each process that is killed with its run.
            stack.close()
            engine.stop()


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """An engine and its run directory. Raises EngineError if it cannot work or the directory is in use."""
    installed = find_engine(settings)
    with own_run_dir(settings.run_dir), start_engine(settings, installed) as engine:
        yield engine


def _find_cli() -> tuple[Path, VersionInfo]:
    found = shutil.which("pulumi")
    if found is None:
        raise EngineError("there is no pulumi on PATH: run `make tools` or install the Pulumi CLI")
    version = PulumiCommand(skip_version_check=True).version
    from pulumi._version import version as sdk_version  # noqa: PLC2701  (where the SDK has it)

    if version is None or str(version) != str(sdk_version):
        raise EngineError(
            f"{found} has version {version}, the Python SDK {sdk_version}: they must be the same"
        )
    return Path(found), version


def _backend(settings: Settings) -> Backend:
    if settings.backend_url is None:
        return PrivateDirectory()
    return ExternalBackend(settings.backend_url.get_secret_value())


def _environment(settings: Settings) -> dict[str, str]:
    """The environment of every process that the engine starts. It holds what they need, not all that is set here."""
    run_dir = settings.run_dir
    credentials = _CREDENTIALS if settings.backend_url is not None else ()
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **{name: value for name, value in os.environ.items() if name.startswith(credentials)},
        BACKEND_VARIABLE: backends(run_dir),
        MARK_VARIABLE: PROCESS_MARK,
        "PULUMI_HOME": str(run_dir / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_AUTOMATION_API": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "1",
        # The CLI writes a log for every command and has no switch to turn that off.
        "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "1",
        "PULUMI_LOG_ROTATION_MAX_AGE_DAYS": "1",
    }


def _commands(
    settings: Settings, installed: Installed, environment: dict[str, str], stack: ExitStack
) -> Callable[[], PulumiProcess]:
    """Makes what runs a run's commands. The processes that it starts in that environment end with `stack`."""
    providers = _providers(settings, environment, stack)
    cli, version, deadline_s = installed.cli, installed.version, settings.run_deadline_s
    if installed.worker is None:
        return partial(PulumiProcess, cli, version, deadline_s, providers)
    limits = WorkerLimits(settings.worker_max_runs, settings.worker_max_rss_mb, settings.worker_idle_s)
    pool = WorkerPool(partial(Worker, installed.worker, environment), limits)
    stack.callback(pool.stop)
    return partial(PulumiWorker, cli, version, deadline_s, providers, pool)


def _providers(settings: Settings, environment: dict[str, str], stack: ExitStack) -> Providers:
    if settings.provider_mode == "private":
        return PrivateProviders()
    proxy = shutil.which(_PROXY)
    if proxy is None:
        _log.info("each run starts a provider, as there is no proxy on PATH", proxy=_PROXY)
        return PrivateProviders()
    plugin = f"plugins/resource-kubernetes-v{PROVIDER_VERSION}/pulumi-resource-kubernetes"
    start = partial(
        ProviderProcess,
        Path(proxy),
        settings.run_dir / "home" / plugin,
        {**environment, **_SHARED_CLIENT},
        settings.run_dir / "provider.log",
    )
    limits = ProviderLimits(settings.provider_max_runs, settings.provider_max_age_s, settings.worker_idle_s)
    shared = SharedProvider(start, limits)
    stack.callback(shared.stop)
    shared.warm_up()
    return shared


def _find_worker(version: VersionInfo) -> Path | None:
    """The warm engine worker on PATH, if it has the CLI's version."""
    found = shutil.which(_WORKER)
    if found is None:
        return None
    try:
        said = subprocess.run(
            [found, "version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        said = str(error)
    if said.removeprefix("v") != str(version):
        _log.warning("the engine worker on PATH is not of the CLI's version", worker=said, cli=str(version))
        return None
    return Path(found)
