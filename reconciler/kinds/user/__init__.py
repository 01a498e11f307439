"""DevServerUsers: whose a username is, and what of their quota is used. Sends no request."""
