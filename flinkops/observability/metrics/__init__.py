"""All metrics of the exporter, by what they describe."""

from flinkops.observability.metrics.fleet import FLEET_METRICS
from flinkops.observability.metrics.flow import FLOW_METRICS
from flinkops.observability.metrics.health import HEALTH_METRICS
from flinkops.observability.metrics.measured import MEASURED_METRICS
from flinkops.observability.metrics.state import STATE_METRICS
from flinkops.observability.metrics.vertex import VERTEX_METRICS

JOB_METRICS = (*HEALTH_METRICS, *FLOW_METRICS, *MEASURED_METRICS, *STATE_METRICS)

__all__ = ["FLEET_METRICS", "JOB_METRICS", "VERTEX_METRICS"]
