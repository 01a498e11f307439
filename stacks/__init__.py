"""Pulumi programs: each turns the inputs of one resource into its children. No API calls, no clock, no chance."""
