"""Checks of the user's machine and of the cluster, for `devctl doctor`. Changes nothing."""
