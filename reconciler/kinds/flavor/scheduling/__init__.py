"""Whether a pod fits on a node, by the rules of kube-scheduler and Karpenter. Pure."""
