"""The reconciler's settings: environment variables with the prefix DEVSERVER_."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crds.user import is_never_given

_BACKENDS = ("file://", "postgres://", "s3://", "gs://", "azblob://")


class Settings(BaseSettings):
    """All settings, documented with their unit. `DEVSERVER_TOOLS_IMAGE` sets `tools_image`, and so on."""

    model_config = SettingsConfigDict(env_prefix="DEVSERVER_", frozen=True, extra="ignore")

    namespace: Annotated[
        str,
        Field(
            description="The reconciler's own namespace. States of the stacks and their keys are stored there."
        ),
    ] = "devserver-system"
    tools_image: Annotated[str, Field(description="Image that brings sshd and doas into every pod.")] = (
        "local/devserver-tools:1"
    )
    ssh_service_type: Annotated[
        Literal["ClusterIP", "NodePort", "LoadBalancer"], Field(description="Type of the SSH Services.")
    ] = "ClusterIP"
    default_time_to_live_s: Annotated[
        int | None,
        Field(
            ge=10,
            description="Time to live of a DevServer that names none, in seconds. Unset: it never expires.",
        ),
    ] = None
    max_time_to_live_s: Annotated[
        int, Field(ge=10, description="How far ahead a DevServer's end may lie, in seconds.")
    ] = 7 * 24 * 3600
    allowed_roles: Annotated[
        frozenset[str],
        Field(description='Roles that a DevServerUser may get, as JSON: ["ClusterRole/view"].'),
    ] = frozenset()

    workers: Annotated[
        int,
        Field(
            ge=1,
            description="How many resources are checked at the same time, and how many others have a Pulumi run or "
            "wait for one.",
        ),
    ] = 10
    concurrent_runs: Annotated[
        int,
        Field(
            ge=1, description="How many Pulumi runs may be active at the same time. Slow runs do not count."
        ),
    ] = 3
    slow_run_s: Annotated[
        float,
        Field(
            gt=0,
            description="After this many seconds a Pulumi run counts as slow. It goes on, and the next run may start.",
        ),
    ] = 3.0
    run_deadline_s: Annotated[
        float, Field(gt=0, description="After this many seconds a Pulumi run is killed.")
    ] = 120.0
    engine_mode: Annotated[
        Literal["auto", "worker", "cli"],
        Field(
            description="worker: runs use warm engine processes. cli: each run starts the Pulumi CLI. auto: workers if "
            "installed."
        ),
    ] = "auto"
    worker_max_runs: Annotated[
        int, Field(ge=1, description="Number of runs after which an engine worker is replaced.")
    ] = 75
    worker_max_rss_mb: Annotated[
        float, Field(gt=0, description="Memory above which an engine worker is replaced, in MiB.")
    ] = 400.0
    worker_idle_s: Annotated[
        float,
        Field(
            gt=0,
            description="After this many seconds without a run, all engine workers but one and the shared provider "
            "stop.",
        ),
    ] = 45.0
    provider_mode: Annotated[
        Literal["shared", "private"],
        Field(description="shared: one provider process serves all runs. private: each run starts its own."),
    ] = "shared"
    provider_max_runs: Annotated[
        int, Field(ge=1, description="Number of runs after which the shared provider is replaced.")
    ] = 300
    provider_max_age_s: Annotated[
        float, Field(gt=0, description="Age at which the shared provider is replaced, in seconds.")
    ] = 1800.0
    retry_base_s: Annotated[
        float,
        Field(
            gt=0,
            description="Delay after the first failure, in seconds. It doubles with each further failure.",
        ),
    ] = 1.0
    retry_cap_s: Annotated[float, Field(gt=0, description="Longest delay between two tries, in seconds.")] = (
        300.0
    )
    max_clock_skew_s: Annotated[
        float,
        Field(
            gt=0,
            description="If the operator's clock and the API server's differ by more than this, nothing expires. In "
            "seconds.",
        ),
    ] = 60.0
    watch_timeout_s: Annotated[int, Field(ge=30, description="Length of one watch request, in seconds.")] = (
        300
    )
    watch_silence_s: Annotated[
        float,
        Field(
            gt=0,
            description="A watch that receives nothing for this many seconds, not even a bookmark, is renewed.",
        ),
    ] = 150.0

    schedulable_refresh_s: Annotated[
        float,
        Field(
            ge=2,
            description="Seconds between periodic checks of each flavor's free room; changes are seen within 2 s "
            "anyway.",
        ),
    ] = 600.0

    lease_duration_s: Annotated[
        int,
        Field(
            ge=3,
            description="If the Lease was not renewed for this many seconds, another reconciler takes it.",
        ),
    ] = 15
    lease_renew_deadline_s: Annotated[
        float,
        Field(ge=2, description="If the leader cannot renew the Lease for this many seconds, it ends."),
    ] = 10.0
    lease_retry_s: Annotated[
        float,
        Field(
            ge=1,
            description="Seconds between two renewals of the Lease, and between two looks of those that do not hold "
            "it.",
        ),
    ] = 1.0

    fence_engine: Annotated[
        bool,
        Field(
            description="The engine's requests pass through the watchdog, which stops them when the Lease has run out. "
            "Set it to false if a proxy in front of the API server depends on the Host header."
        ),
    ] = True

    backend_url: Annotated[
        SecretStr | None,
        Field(
            description="Pulumi backend that stores the checkpoints: file://, postgres://, s3://, gs:// or azblob://. "
            "Unset: they are stored in Secrets."
        ),
    ] = None
    http_host: Annotated[
        str | None,
        Field(
            description="Address on which /metrics, /healthz and /readyz are served. Unset: all addresses."
        ),
    ] = None
    http_port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="Port on which they are served. 0: any free port; the log line `serving` says which.",
        ),
    ] = 8080
    run_dir: Annotated[
        Path,
        Field(
            description="Directory for the private directories of runs. Use tmpfs, because secrets pass through it."
        ),
    ] = Path("/dev/shm/devserver-reconciler")
    pulumi_home: Annotated[
        Path, Field(description="PULUMI_HOME in which the pinned provider plugin is installed.")
    ] = Path("~/.pulumi")
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _lease_times_fit(self) -> Self:
        """The leader must have ended before others lead, and must have time for more than one try."""
        if self.lease_renew_deadline_s > self.lease_duration_s - 1:
            raise ValueError(
                "DEVSERVER_LEASE_RENEW_DEADLINE_S: must be at least 1 s less than DEVSERVER_LEASE_DURATION_S"
            )
        if self.lease_retry_s > self.lease_renew_deadline_s / 2:
            raise ValueError(
                "DEVSERVER_LEASE_RETRY_S: must be at most half of DEVSERVER_LEASE_RENEW_DEADLINE_S"
            )
        return self

    @field_validator("allowed_roles")
    @classmethod
    def _are_roles_that_may_be_given(cls, roles: frozenset[str]) -> frozenset[str]:
        for role in sorted(roles):
            kind, _, name = role.partition("/")
            if kind not in ("ClusterRole", "Role") or not name:
                raise ValueError(f"{role!r} is not of the form ClusterRole/NAME or Role/NAME")
            if is_never_given(name):
                raise ValueError(f"{role} is never given to a user")
        return roles

    @field_validator("backend_url")
    @classmethod
    def _is_of_a_kind_that_needs_no_login(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(_BACKENDS):
            # Without the value: it may hold a password.
            raise ValueError(f"must begin with {', '.join(_BACKENDS[:-1])} or {_BACKENDS[-1]}")
        return url
