"""The pod of a DevServer: why it is not ready and when it restarts. Only restarts.py sends requests."""
