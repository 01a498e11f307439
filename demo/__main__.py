"""`python -m demo`: show what the operator does. `python -m demo env` and `down`: see the Makefile."""

import argparse
import os
import signal
import subprocess
import sys

import images
import localcluster
import toolchain
from demo import console, scenes, shell, target
from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.reconciler import Reconciler
from demo.target import Target


def main() -> int:
    """Run one command; exit code 1 and a sentence on standard error if it fails, 130 after an interruption."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=scenes.__doc__)
    parser.add_argument("command", nargs="?", choices=["show", "env", "down"], default="show")
    command = parser.parse_args().command
    # Terminated is interrupted: what was started for the moment is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        chosen = target.chosen()
        match command:
            case "show":
                _show(chosen)
            case "env":
                shell.print_exports(chosen)
            case "down":
                _down(chosen)
    except (
        DemoError,
        localcluster.LocalClusterError,
        images.ImageError,
        toolchain.ToolchainError,
        OSError,
    ) as error:
        print(f"demo: error: {error}", file=sys.stderr)
        if command == "env":
            print("false  # so that the shell that evaluates this knows")
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; run it again, or `make down` to end what it started", file=sys.stderr)
        return 130
    return 0


def _show(chosen: Target) -> None:
    print(f"DevServer operator: the demo, on {chosen.title}", flush=True)
    if not chosen.is_local and "DEVSERVER_TOOLS_IMAGE" not in os.environ:
        raise DemoError(
            "set DEVSERVER_TOOLS_IMAGE to an image of images/tools that the cluster's nodes can pull, "
            "and DEMO_IMAGE to what the DevServers shall run, if not debian:bookworm"
        )
    console.heading("Preparing")
    _prepare_tools(chosen)
    if chosen.is_local:
        localcluster.up()
    kubectl = Kubectl(chosen.kubeconfig())
    scenes.install(kubectl)
    chosen.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    reconciler = Reconciler(chosen)
    try:
        with console.step("the reconciler, a process under its own identity"):
            reconciler.ensure(kubectl)
        login = scenes.from_apply_to_ssh(kubectl, chosen)
        scenes.its_stack(kubectl)
        scenes.expiry(kubectl, chosen, login)
    except Exception:
        print(
            f"\nThe reconciler's log ({reconciler.log}) ends with:\n{reconciler.log_tail()}\n",
            file=sys.stderr,
        )
        raise
    scenes.how_to_go_on(chosen, reconciler, login)


def _prepare_tools(chosen: Target) -> None:
    """Have the tools; for a cluster that is there already only those that the demo itself runs."""
    names = [] if chosen.is_local else ["pulumi", "pulumi-resource-kubernetes", "kubectl"]
    if subprocess.run([sys.executable, "-m", "toolchain", "install", *names]).returncode != 0:
        raise DemoError("the tools cannot be installed: see above")


def _down(chosen: Target) -> None:
    """End what the demo left running, and with it the local cluster."""
    if Reconciler(chosen).stop():
        print("the demo's reconciler has stopped", flush=True)
    if chosen.is_local:
        localcluster.down()


if __name__ == "__main__":
    sys.exit(main())
