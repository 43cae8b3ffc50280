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

# Releases that stay on a host, with the one that serves and the one before it (2 or more). An
# environment of a release takes 700 MB. docs/upgrade.md
gateway_keep_releases = 3
