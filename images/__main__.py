"""`python -m images list` and `python -m images build [NAME...]`."""

from __future__ import annotations

import argparse
import sys

from .errors import ImageError
from .store import build, find, tar_path

MIB = 1 << 20


def main() -> int:
    """Run one command; exit code 1 and a sentence on standard error if it fails."""
    parser = argparse.ArgumentParser(prog="python -m images", description="OCI tars of this project's images")
    commands = parser.add_subparsers(required=True)
    listing = commands.add_parser("list", help="show the images, and which are built")
    listing.set_defaults(run=_list)
    building = commands.add_parser("build", help="build the images that are missing, and print their paths")
    building.add_argument("names", nargs="*", metavar="NAME", help='such as "local/pause:1"; none: all')
    building.add_argument(
        "--again", action="store_true", help="also those that are there: newer Debian packages"
    )
    building.set_defaults(run=_build)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _list(arguments: argparse.Namespace) -> None:
    for image in find(()):
        tar = tar_path(image)
        state = f"{tar.stat().st_size / MIB:6.1f} MiB" if tar.exists() else " not built"
        print(f"{image.name:25} {state}  {image.summary}")


def _build(arguments: argparse.Namespace) -> None:
    for image in find(arguments.names):
        print(build(image, again=arguments.again))


if __name__ == "__main__":
    sys.exit(main())
