"""The loop, the same for every kind: one pass at a time over each key. Names no kind."""
