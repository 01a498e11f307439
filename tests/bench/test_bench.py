"""The bench in small: its figures are there, and nothing of it stays, however it ends."""

import json
import signal
import subprocess
import sys

import psutil
import pytest

from tests.e2e.kube import eventually
from tests.patience import HUNG_S
from tests.shared_cluster import ROOT, SharedCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
SMALL = [
    "--load=4",
    "--fleet=3",
    "--rounds=1",
    "--samples=3",
    "--logins=1",
    "--drifts=2",
    "--tries=1",
    "--idle-s=1",
    "--thousand=6",
]


def start(*parts: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *parts, *SMALL],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(cluster: SharedCluster) -> list[str]:
    """What a bench makes and is still there. (Namespaces take their time to go.)"""
    gone = "{{if .metadata.deletionTimestamp}}gone{{end}}"
    shown = f"--output=go-template={{{{range .items}}}}{{{{.metadata.name}}}}{gone} {{{{end}}}}"
    names = [
        *cluster.kubectl("get", "namespaces", shown).split(),
        *cluster.kubectl("get", "devserverflavors", shown).split(),
    ]
    return [name for name in names if name.startswith("bench-") and not name.endswith("gone")]


def reconcilers_of(bench: psutil.Process) -> list[psutil.Process]:
    return [child for child in bench.children() if child.cmdline()[1:] == ["-m", "reconciler"]]


def test_a_small_bench_prints_its_figures_and_leaves_nothing_behind(cluster: SharedCluster) -> None:
    bench = start(
        "rates", "latency", "login", "told", "noop", "drift", "devctl", "rest", "restart", "thousand"
    )
    output, errors = bench.communicate(timeout=1700)
    assert bench.returncode == 0, errors
    figures = {line["name"]: line for line in map(json.loads, output.splitlines())}
    assert all(set(figure) == {"name", "value", "unit"} for figure in figures.values())
    for name in ("creates_per_s", "bare_creates_per_s", "deletes_per_s", "rss_mb_peak", "rss_mb_rest"):
        assert figures[name]["value"] > 0, name
    for name in ("create_latency_s_p50", "create_latency_s_p95", "drift_repair_s_p50", "restart_s"):
        assert figures[name]["value"] > 0, name
    steps = [figures[f"login_{step}_s_p50"]["value"] for step in ("engine", "schedule", "init", "sshd")]
    # One sample: its steps are all of it.
    assert sum(steps) == pytest.approx(figures["login_s_p50"]["value"], abs=0.005)
    for name in ("told_s_p50", "devctl_help_s_p50", "devctl_list_s_p50"):
        assert figures[name]["value"] > 0, name
    for name in ("login_again_s_p50", "start_login_s_p50", "scp_100mb_s"):
        assert figures[name]["value"] > 0, name
    assert figures["stop_start_login_s_p50"]["value"] > figures["start_login_s_p50"]["value"]
    assert figures["noop_runs"]["value"] == 0
    assert figures["restart_engine_runs"]["value"] == 0
    assert figures["thousand_succeeded"]["value"] == 6
    assert left_behind(cluster) == []


def test_an_interrupted_bench_leaves_nothing_behind(cluster: SharedCluster) -> None:
    bench = start("noop")
    process = psutil.Process(bench.pid)
    eventually(lambda: left_behind(cluster) and reconcilers_of(process), "it is under way", HUNG_S)
    (reconciler,) = reconcilers_of(process)
    bench.send_signal(signal.SIGINT)
    _, errors = bench.communicate(timeout=HUNG_S)
    assert bench.returncode == 130, errors
    assert left_behind(cluster) == []
    assert not reconciler.is_running()
