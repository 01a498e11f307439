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

    namespace: Annotated[str, Field(description="The reconciler's own namespace: state and its keys.")] = (
        "devserver-system"
    )
    tools_image: Annotated[str, Field(description="Image that brings sshd and doas into every pod.")] = (
        "local/devserver-tools:1"
    )
    ssh_service_type: Annotated[
        Literal["ClusterIP", "NodePort", "LoadBalancer"], Field(description="Type of the SSH Services.")
    ] = "ClusterIP"
    default_time_to_live_s: Annotated[
        int | None, Field(ge=10, description="Where a DevServer names none. Unset: no expiry. Seconds.")
    ] = None
    max_time_to_live_s: Annotated[
        int, Field(ge=10, description="How far ahead an expiry may lie at most. Seconds.")
    ] = 7 * 24 * 3600
    allowed_roles: Annotated[
        frozenset[str],
        Field(description='Roles that a DevServerUser may name, as JSON: ["ClusterRole/view"].'),
    ] = frozenset()

    workers: Annotated[
        int, Field(ge=1, description="Resources looked at a time, and as many that take a run.")
    ] = 10
    concurrent_runs: Annotated[int, Field(ge=1, description="Pulumi runs at a time, slow ones aside.")] = 3
    slow_run_s: Annotated[
        float, Field(gt=0, description="A run that takes longer holds up no other one. Seconds.")
    ] = 3.0
    run_deadline_s: Annotated[
        float, Field(gt=0, description="After this many seconds a Pulumi run is killed.")
    ] = 120.0
    engine_mode: Annotated[
        Literal["auto", "worker", "cli"],
        Field(description="worker: warm processes. cli: a process per run. auto: worker where installed."),
    ] = "auto"
    worker_max_runs: Annotated[
        int, Field(ge=1, description="Runs after which an engine worker is replaced.")
    ] = 75
    worker_max_rss_mb: Annotated[
        float, Field(gt=0, description="Memory above which an engine worker is replaced. MiB.")
    ] = 400.0
    worker_idle_s: Annotated[
        float,
        Field(
            gt=0,
            description="Without a run for this long, workers but one and the shared provider stop. Seconds.",
        ),
    ] = 45.0
    provider_mode: Annotated[
        Literal["shared", "private"],
        Field(description="shared: one provider process for all runs. private: one for each run."),
    ] = "shared"
    provider_max_runs: Annotated[
        int, Field(ge=1, description="Runs after which the shared provider is replaced.")
    ] = 300
    provider_max_age_s: Annotated[
        float, Field(gt=0, description="Age at which the shared provider is replaced. Seconds.")
    ] = 1800.0
    retry_base_s: Annotated[
        float, Field(gt=0, description="Delay after the first failure; it doubles. Seconds.")
    ] = 1.0
    retry_cap_s: Annotated[float, Field(gt=0, description="Longest delay between tries. Seconds.")] = 300.0
    max_clock_skew_s: Annotated[
        float, Field(gt=0, description="Further from the API server's clock nothing expires. Seconds.")
    ] = 60.0
    watch_timeout_s: Annotated[int, Field(ge=30, description="Length of one watch request. Seconds.")] = 300
    watch_silence_s: Annotated[
        float,
        Field(gt=0, description="A watch that brings nothing, not even a bookmark, is renewed. Seconds."),
    ] = 150.0

    schedulable_refresh_s: Annotated[
        float,
        Field(ge=2, description="So often flavors are looked at though nothing happened. Seconds."),
    ] = 600.0

    lease_duration_s: Annotated[
        int, Field(ge=3, description="Others take the Lease when it was not renewed for so long. Seconds.")
    ] = 15
    lease_renew_deadline_s: Annotated[
        float,
        Field(ge=2, description="The leader ends if it could not renew the Lease for so long. Seconds."),
    ] = 10.0
    lease_retry_s: Annotated[
        float, Field(ge=1, description="How often the Lease is renewed, or looked at. Seconds.")
    ] = 1.0

    fence_engine: Annotated[
        bool,
        Field(
            description="The engine's requests pass the watchdog, which stops them when the Lease has run out. "
            "Unset it where the API server goes by the Host header."
        ),
    ] = True

    backend_url: Annotated[
        SecretStr | None,
        Field(
            description="Pulumi backend that holds the checkpoints: file://, postgres://, s3://, gs:// or azblob://. "
            "Unset: Secrets hold them."
        ),
    ] = None
    http_host: Annotated[
        str | None, Field(description="Address of /metrics, /healthz and /readyz. Unset: all.")
    ] = None
    http_port: Annotated[
        int, Field(ge=0, le=65535, description="Port of these. 0: a free one, told in the log.")
    ] = 8080
    run_dir: Annotated[Path, Field(description="Private directories of the runs; best on tmpfs.")] = Path(
        "/dev/shm/devserver-reconciler"
    )
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
