"""Settings of the hosts that run Prometheus. docs/monitoring.md"""

# The address and port it listens on. It asks nobody for a key: leave it on loopback, and reach it
# through an SSH tunnel or through something in front of it that asks for one.
monitor_bind = "127.0.0.1"
monitor_port = 9090

# For how long it keeps what it has measured: h, d, w or y.
monitor_retention = "15d"
