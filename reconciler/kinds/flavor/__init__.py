"""DevServerFlavors: which one a DevServer gets, who uses it, whether its pods fit on a node. Sends no request."""
