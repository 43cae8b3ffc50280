"""What the gateways noted of requests: tail, logs, usage."""
