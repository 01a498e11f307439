"""The command `devctl` and, in `devctl.client`, the Python client behind it."""
