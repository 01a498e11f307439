"""The Kubernetes API: requests, watches and what they have seen. Every request passes client.py."""
