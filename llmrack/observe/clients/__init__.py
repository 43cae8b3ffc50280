"""Ready configuration for clients of a gateway."""
