"""Shows how the reconciler is: metrics, log lines, health. Sends no requests."""
