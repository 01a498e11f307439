"""Pulumi programs against checkpoints. Asks the API server nothing; alone in importing `pulumi.automation`."""
