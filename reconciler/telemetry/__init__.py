"""What the reconciler tells of itself: metrics, log lines, health. Asks nobody anything."""
