"""Settings of a local cluster: what cannot work is refused."""

from ipaddress import IPv4Network

import pytest
from pydantic import ValidationError

from localcluster.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NAME", "Upper", "should match pattern"),
        ("NAME", "../x", "should match pattern"),
        ("NAME", "a\n", "should match pattern"),
        ("NAME", "twelveletter", "at most 10 characters"),
        ("NODE_SUBNET", "8.8.8.0/24", "not a private range"),
        ("NODE_SUBNET", "10.99.0.1/24", "not a valid IPv4 network"),
        ("SERVICE_CIDR", "10.96.0.0/30", "prefix length"),
        ("POD_CIDR", "10.0.0.0/8", "prefix length"),
        ("READY_TIMEOUT_S", "0", "greater than 0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"LOCALCLUSTER_{variable}", value)
    with pytest.raises(ValidationError, match=message):
        Settings()


def test_two_ranges_that_were_set_must_not_overlap() -> None:
    with pytest.raises(ValidationError, match=r"node_subnet 10.1.0.0/24 and pod_cidr 10.1.0.0/16 overlap"):
        Settings(node_subnet=IPv4Network("10.1.0.0/24"), pod_cidr=IPv4Network("10.1.0.0/16"))


def test_all_names_on_the_host_follow_from_the_clusters_name() -> None:
    settings = Settings(name="tenletters")
    assert settings.cgroup == "localcluster-tenletters"
    assert settings.veth == "tenletters-veth"
    assert len(settings.veth) <= 15
