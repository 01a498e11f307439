"""The processes that run Pulumi's commands, and how they end. Knows no resource."""
