"""What tells the Prometheus operator whom to scrape."""

from flinkops.observability.rules import HEADER, to_yaml

EXPORTER_LABELS = {"app.kubernetes.io/name": "flinkops-exporter"}
REPORTER_PORT = "metrics"
SCRAPE_SECONDS = 15


def service_monitor() -> str:
    """The exporter, behind its Service (deploy/exporter.yaml). Its labels namespace and job are the Flink job's."""
    return HEADER + to_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {"name": "flinkops-exporter", "labels": EXPORTER_LABELS},
            "spec": {
                "selector": {"matchLabels": EXPORTER_LABELS},
                "endpoints": [
                    {
                        "port": "metrics",
                        "interval": f"{SCRAPE_SECONDS}s",
                        "scrapeTimeout": "10s",
                        "honorLabels": True,
                    }
                ],
            },
        }
    )


def pod_monitor() -> str:
    """Flink's own pods, as the operator labels them, for the rules on Flink's Prometheus reporter."""
    return HEADER + to_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "flink", "labels": {"app.kubernetes.io/name": "flinkops"}},
            "spec": {
                "selector": {"matchLabels": {"type": "flink-native-kubernetes"}},
                "podMetricsEndpoints": [
                    {
                        "port": REPORTER_PORT,
                        "interval": f"{SCRAPE_SECONDS}s",
                        "relabelings": [
                            {"sourceLabels": ["__meta_kubernetes_pod_label_app"], "targetLabel": "cluster"},
                        ],
                    }
                ],
            },
        }
    )
