"""The demo: a DevServer from `kubectl apply` to SSH, its Pulumi stack, and one that expires. `make demo`."""
