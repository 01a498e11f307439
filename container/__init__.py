"""The operator's own image, built from the Dockerfile without a Docker engine. `make image`, `python -m container`."""

from container.build import NAME, build

__all__ = ["NAME", "build"]
