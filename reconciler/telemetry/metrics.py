"""The registry of all metrics, as Prometheus reads them at /metrics. docs/metrics.md lists them.

Each package defines its own in a module `metrics`. Nothing that a user can choose is ever a label value (names,
messages, images): the number of series is bounded, and a hostile name reaches no monitoring system.
"""

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector

# When each series began is of no use here and would double their number.
prometheus_client.disable_created_metrics()

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

# The label value of what is none of the known ones.
UNKNOWN = "unknown"
PASS_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 2, 5, 10, 30, 60, 120, 300)
