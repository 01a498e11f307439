"""`python -m container`: build the operator's image unless it is there, and print the path of its tar."""

import argparse
import signal
import sys

import images
import toolchain
from container.build import NAME, build

_MIB = 1 << 20


def main() -> int:
    """Exit code 0, 1 and a sentence on standard error after a failure, 130 after an interruption."""
    argparse.ArgumentParser(prog="python -m container", description=__doc__).parse_args()
    # Terminated is interrupted: what has been started is stopped and half-done work is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tar = build()
    except (images.ImageError, toolchain.ToolchainError) as error:
        print(f"container: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("container: interrupted; the next run starts anew", file=sys.stderr)
        return 130
    print(f"{NAME}, {tar.stat().st_size / _MIB:.0f} MiB packed: {tar}")
    print("To push it: skopeo copy oci-archive:TAR docker://REGISTRY/NAME:TAG")
    return 0


if __name__ == "__main__":
    sys.exit(main())
