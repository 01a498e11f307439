"""Whether a pod finds room on the nodes, as kube-scheduler and Karpenter would judge. Pure."""
