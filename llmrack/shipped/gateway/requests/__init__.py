"""Requests: what is wrong in them, and each as the engine takes it that is asked next."""
