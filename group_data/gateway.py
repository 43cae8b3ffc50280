"""Settings of the hosts that run the gateway."""

# The address and port it listens on. On loopback it is reached from the host itself (or through
# an SSH tunnel); on any other address its keys guard it.
gateway_bind = "127.0.0.1"
gateway_port = 4000

# Seconds an instance that failed is left alone, unless it says itself for how long (Retry-After).
# docs/routing.md
gateway_cooldown = 10

# Days for which lines of the log of requests are kept. docs/operate.md
gateway_log_days = 30

# Seconds that requests under way get to finish when the gateway is changed.
gateway_drain = 300
