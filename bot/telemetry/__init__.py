"""What KAI tells of itself: figures for Prometheus, spans for OpenTelemetry. Neither holds a name of the cluster."""
