"""What is declared: the stack, the hosts and their settings, validated. Pure."""
