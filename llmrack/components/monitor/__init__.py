"""Monitoring: Prometheus, its exporters, the dashboard for Grafana."""
