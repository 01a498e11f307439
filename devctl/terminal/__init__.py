"""The user's terminal: what is printed there, and what is asked. Knows no cluster."""
