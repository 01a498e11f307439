"""Making and reading a cluster's state directory."""

from pydantic import ValidationError

from localcluster import addresses, kubeconfig
from localcluster.errors import LocalClusterError, NotRunning, SettingsDiffer
from localcluster.paths import Paths, created_at_once
from localcluster.pki import identities, write_pki
from localcluster.progress import step
from localcluster.settings import NETWORK_SETTINGS, Settings


def remembered(paths: Paths) -> Settings | None:
    """The settings that the cluster was made with, or None if there is no cluster.

    Raises:
        LocalClusterError: another version of this package made it.
    """
    if not paths.settings.exists():
        return None
    try:
        return Settings.model_validate_json(paths.settings.read_bytes())
    except ValidationError as error:
        raise LocalClusterError(f"{paths.settings} is not of this version; run down, then up") from error


def existing(paths: Paths) -> Settings:
    """The settings of a cluster that must exist; NotRunning otherwise."""
    settings = remembered(paths)
    if settings is None:
        raise NotRunning(f"there is no cluster {paths.root.name}; start it by: python -m localcluster up")
    return settings


def ensure(paths: Paths, wanted: Settings) -> Settings:
    """Make the state directory with addresses and keys unless it is there; returns the cluster's settings.

    Raises:
        SettingsDiffer: it is there, made with other settings than those set explicitly in `wanted`.
        AddressClash: an explicitly set range is in use on this host.
    """
    settings = remembered(paths)
    if settings is None:
        with step("addresses and keys"):
            settings = addresses.choose(wanted, addresses.host_networks(except_interface=wanted.veth))
            _create(paths, settings)
    for field in wanted.model_fields_set & set(NETWORK_SETTINGS):
        made, asked = getattr(settings, field), getattr(wanted, field)
        if made != asked:
            raise SettingsDiffer(
                f"the cluster {settings.name} was made with {field} {made}, not {asked}: "
                f"unset LOCALCLUSTER_{field.upper()}, or run down first"
            )
    return settings


def _create(paths: Paths, settings: Settings) -> None:
    with created_at_once(paths.root) as draft_root:
        draft = Paths(draft_root)
        for directory in (draft.logs, draft.data, draft.stopped):
            directory.mkdir()
        write_pki(draft.pki, settings)
        for identity in identities(settings):
            if identity not in ("apiserver", "apiserver-kubelet-client"):
                inside = kubeconfig.by_certificate(
                    settings.name, kubeconfig.LOOPBACK_SERVER, draft.pki, identity
                )
                kubeconfig.write(draft.pki / f"{identity}.kubeconfig", inside)
        admin = kubeconfig.by_certificate(settings.name, settings.server, draft.pki, "admin")
        kubeconfig.write(draft.admin_kubeconfig, admin)
        draft.settings.write_text(settings.model_dump_json(indent=1))
