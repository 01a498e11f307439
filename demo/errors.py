"""The error of this package."""


class DemoError(Exception):
    """The demo cannot go on. The message names the thing and the fix."""
