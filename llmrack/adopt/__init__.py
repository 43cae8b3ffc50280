"""Takes over an existing LiteLLM configuration as stack.yaml, inventory and secrets."""
