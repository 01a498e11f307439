"""What stacks left behind: checkpoints in Secrets and the keys that they are encrypted with. Starts no process."""
