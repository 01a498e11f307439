"""DevServers: the inputs from a spec, the expiry, the status. Only pod/restarts.py sends requests."""
