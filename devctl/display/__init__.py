"""Lists and descriptions, laid out. Reads the cluster, changes nothing."""
