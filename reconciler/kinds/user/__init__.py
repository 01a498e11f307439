"""DevServerUsers: who has a username, and how much of the quota is used. Sends no request."""
