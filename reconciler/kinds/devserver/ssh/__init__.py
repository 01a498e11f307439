"""SSH access to a DevServer: host keys, users' keys, the address. Sends no request of its own."""
