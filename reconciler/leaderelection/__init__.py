"""Decides which of several reconcilers leads. Touches nothing but one Lease."""
