"""The sample manifests of the three kinds, as a user would write them."""

from pathlib import Path

import pytest

from tests.e2e.kube import Kube, SshKey, ssh
from tests.patience import PATIENTLY

pytestmark = pytest.mark.cluster

FLAVOR = """
apiVersion: devserver.io/v1
kind: DevServerFlavor
metadata:
  name: cpu-small
spec:
  default: true  # Optional: mark this as the default flavor
  resources:
    requests:
      cpu: "500m"
      memory: "1Gi"
    limits:
      cpu: "2"
      memory: "4Gi"
  nodeSelector:
    kubernetes.io/arch: amd64
  tolerations:
    - key: "nvidia.com/gpu"
      operator: "Exists"
      effect: "NoSchedule"
status:
  schedulable: "Yes"
"""

USER = """
apiVersion: devserver.io/v1
kind: DevServerUser
metadata:
  name: test-user
spec:
  username: test-user
"""

DEVSERVER = """
apiVersion: devserver.io/v1
kind: DevServer
metadata:
  name: my-dev-server
  namespace: default
spec:
  owner: user@example.com
  flavor: cpu-small
  image: {image}
  ssh:
    publicKey: "{key}"
  lifecycle:
    timeToLive: "8h"
"""


@pytest.mark.usefixtures("reconciler")
def test_the_seed_documents_samples_apply_and_work(kube: Kube, tmp_path: Path) -> None:
    key = SshKey.make(tmp_path)
    devserver = DEVSERVER.format(image="local/debian:bookworm", key=key.public)
    for manifest in (FLAVOR, USER, devserver):
        kube("apply", "-f", "-", stdin=manifest)
    try:
        kube.wait_ready("dvsf", "cpu-small")
        kube.wait_ready("dvsu", "test-user")
        kube.wait_ready("dvs", "my-dev-server")
        assert ssh(kube, "my-dev-server", key, "whoami") == "dev\n"
    finally:
        for manifest in (devserver, USER, FLAVOR):
            kube("delete", "-f", "-", PATIENTLY, stdin=manifest)
        kube("delete", "namespace", "dev-test-user", "--wait=false")
