"""What the operator's statuses mean to the user. Pure: objects in, judgements out."""
