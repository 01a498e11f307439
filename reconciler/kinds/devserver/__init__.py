"""DevServers: what a spec asks for, when it ends, what the cluster shows. Only pod/restarts.py sends requests."""
