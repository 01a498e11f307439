"""The command line: `python -m localcluster COMMAND`."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

import images
import toolchain
from localcluster import cluster, control, kubectl, state
from localcluster.errors import LocalClusterError
from localcluster.paths import Paths
from localcluster.progress import note
from localcluster.settings import Settings
from localcluster.status import Status, read_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localcluster",
        description="A single-node Kubernetes cluster in namespaces of its own.",
        epilog="Settings come from the environment, as LOCALCLUSTER_NAME; localcluster/README.md lists them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the cluster, or repair it, and wait until it is ready")
    commands.add_parser("down", help="remove the cluster and everything that belongs to it")
    status = commands.add_parser("status", help="say how it fares; exit code 0 if healthy")
    status.add_argument("-o", "--output", choices=["text", "json"], default="text")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    kubeconfig.add_argument("--print", action="store_true", dest="content", help="print the content instead")
    kubeconfig.add_argument(
        "--service-account", metavar="NAMESPACE/NAME", help="write one for this ServiceAccount"
    )
    kubeconfig.add_argument(
        "--duration", default="24h", help="how long its token is valid (default: %(default)s)"
    )
    load = commands.add_parser("load", help="import images from OCI-layout tars")
    load.add_argument("tars", nargs="+", type=Path, metavar="TAR")
    execute = commands.add_parser("exec", help="run a command inside the namespaces")
    execute.add_argument("argv", nargs="+", metavar="-- CMD")
    for name, text in (
        ("stop", "stop a component and keep it stopped"),
        ("start", "start a stopped component"),
    ):
        commands.add_parser(name, help=text).add_argument("component", metavar="COMPONENT")
    return parser


def _run(args: argparse.Namespace, settings: Settings) -> int:
    match args.command:
        case "up":
            return 0 if cluster.up(settings).healthy else 1
        case "down":
            cluster.down(settings)
        case "status":
            return _status(settings, args.output)
        case "kubeconfig":
            _kubeconfig(args, settings)
        case "load":
            if not cluster.load(args.tars, settings):
                note("the node has these images already")
        case "exec":
            control.execute(args.argv, settings)
        case "stop":
            control.stop(args.component, settings)
        case "start":
            control.start(args.component, settings)
    return 0


def _status(settings: Settings, output: str) -> int:
    paths = Paths.of(settings.name)
    status = read_status(paths, state.existing(paths))
    print(status.model_dump_json(indent=1) if output == "json" else _table(status))
    return 0 if status.healthy else 1


def _table(status: Status) -> str:
    settings = status.settings
    ready = "Ready" if status.node_ready else "not Ready"
    rows = [f"{'COMPONENT':<26}{'PHASE':<10}{'PID':>8}  {'UP SINCE':<20}{'RESTARTS':>9}{'MEMORY':>9}"]
    for component in status.components:
        since = component.up_since.astimezone().strftime("%Y-%m-%d %H:%M:%S") if component.up_since else "-"
        rows.append(
            f"{component.name:<26}{component.phase:<10}{component.pid or '-':>8}  {since:<20}"
            f"{component.restarts:>9}{component.memory_mib:>5} MiB"
        )
    return "\n".join(
        [
            f"cluster     {settings.name}: {'healthy' if status.healthy else 'NOT HEALTHY'}",
            f"node        {settings.name}, {ready}, {settings.node_ip}",
            f"API server  {settings.server}",
            f"addresses   services {settings.service_cidr}, pods {settings.pod_cidr}, DNS {settings.dns_ip}",
            f"logs        {Paths.of(settings.name).logs}",
            f"to use it   export KUBECONFIG={status.kubeconfig}",
            "",
            *rows,
        ]
    )


def _kubeconfig(args: argparse.Namespace, settings: Settings) -> None:
    paths = Paths.of(settings.name)
    settings = state.existing(paths)
    path = paths.admin_kubeconfig
    if args.service_account:
        namespace, _, name = args.service_account.partition("/")
        path = kubectl.write_service_account_kubeconfig(paths, settings, namespace, name, args.duration)
    print(path.read_text().rstrip() if args.content else path)


def main() -> int:
    """Run one command; the exit code is 0 on success, 1 on an error, 130 after Ctrl-C."""
    args = _parser().parse_args()
    try:
        return _run(args, Settings())
    except (LocalClusterError, images.ImageError, toolchain.ToolchainError) as error:
        note(f"error: {error}")
    except ValidationError as error:
        for problem in error.errors():
            setting = "_".join(["LOCALCLUSTER", *map(str, problem["loc"])]).upper()
            note(f"error: {setting}: {problem['msg']}")
    except KeyboardInterrupt:
        note("interrupted; `up` goes on from here, `down` removes everything")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
