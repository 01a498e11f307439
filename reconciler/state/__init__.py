"""Keeps the checkpoints of stacks in Secrets, and the keys that they are encrypted with. Starts no process."""
