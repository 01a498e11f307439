"""Runs Pulumi programs against checkpoints. Sends no requests; alone in importing `pulumi.automation`."""
