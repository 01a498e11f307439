"""The registry of all metrics. Prometheus reads them at /metrics; docs/metrics.md lists them.

Each package defines its own in a module `metrics`. A label value is never something that users choose (names, messages,
images). So the number of series is bounded, and no hostile name reaches a monitoring system.
"""

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector

# The client library would add the creation time of each series. Nobody needs it, and it doubles the number of series.
prometheus_client.disable_created_metrics()

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

# The label value for everything outside the known values.
UNKNOWN = "unknown"
PASS_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 2, 5, 10, 30, 60, 120, 300)
