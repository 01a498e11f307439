"""Which of several reconcilers leads. Touches one Lease alone."""
