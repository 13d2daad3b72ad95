"""Watching the network: an SNMP exporter, and what Prometheus and Alertmanager are told about the inventory."""
