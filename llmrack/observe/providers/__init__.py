"""What providers and their keys are like, asked from the gateways' hosts."""
