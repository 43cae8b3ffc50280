"""Throw-away hosts on one machine, and the stand-ins that serve where the internet does not."""
