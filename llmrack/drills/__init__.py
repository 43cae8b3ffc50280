"""Breaks instances to see who answers then, and restores them."""
