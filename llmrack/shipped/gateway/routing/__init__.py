"""Routing: which instance answers, and which rests after a failure. It begins in callback.py."""
