"""What a resource's status says: reasons, errors, conditions. Pure."""
