"""Starts and ends the processes that run Pulumi's commands. Knows no resource."""
