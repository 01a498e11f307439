"""The error of this package."""


class BenchError(Exception):
    """A measurement cannot be made. The message names the thing and the way out."""
