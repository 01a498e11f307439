"""What can go wrong, as types.

LocalClusterError
├── AddressClash       the host uses the addresses: choose others
├── MissingProgram     a program of the host's packages is not installed
├── NotRunning         the command needs a running cluster
├── SettingsDiffer     the cluster exists with other settings
├── StartFailed        a component died again and again, or was not ready in time
└── CommandFailed      a program that was run to its end failed
"""


class LocalClusterError(Exception):
    """Base of all errors of this package; the message names the thing and the fix."""


class AddressClash(LocalClusterError):
    """The host has addresses or routes where the cluster's should be."""


class MissingProgram(LocalClusterError):
    """A program that the host's packages provide is not installed."""


class NotRunning(LocalClusterError):
    """No cluster of that name runs."""


class SettingsDiffer(LocalClusterError):
    """The cluster exists, with settings other than those asked for."""


class StartFailed(LocalClusterError):
    """The cluster did not become ready."""


class CommandFailed(LocalClusterError):
    """A program exited with an error."""
