"""DevServerFlavors: which one a DevServer gets, who uses it, whether its pods find room. Sends no request."""
