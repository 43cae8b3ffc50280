"""The gateway: its release, LiteLLM's configuration, its service in two colours."""
