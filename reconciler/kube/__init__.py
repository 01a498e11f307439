"""The Kubernetes API: requests, watches and the cache. Every request passes client.py."""
