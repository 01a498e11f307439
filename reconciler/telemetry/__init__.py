"""Metrics, logs and health of the reconciler. Sends no requests."""
