"""The loop, the same for every kind. Each key has one pass at a time. This package names no kind."""
