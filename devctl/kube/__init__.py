"""The Kubernetes API as its user: kubeconfigs, requests, websockets. Alone imports `kubernetes`; prints nothing."""
