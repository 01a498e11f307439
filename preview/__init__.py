"""The program for plain `pulumi preview`. It shows what the reconciler would create for one manifest."""
