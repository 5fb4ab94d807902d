"""Telemetry of KAI itself: figures for Prometheus, spans for OpenTelemetry. Neither holds a name of the cluster."""
