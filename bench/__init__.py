"""`make bench`: how fast the operator is on the local cluster, beside bare API calls that make the same objects."""
