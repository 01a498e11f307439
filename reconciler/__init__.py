"""The reconciler: a watch loop that turns each custom resource into a Pulumi program and runs it."""
