"""The program of plain `pulumi preview`: what the reconciler would make of one manifest."""
