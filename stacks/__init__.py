"""Pulumi programs. Each turns the inputs of one resource into its children. No API calls, no clock, no randomness."""
