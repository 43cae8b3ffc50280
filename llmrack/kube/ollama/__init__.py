"""Ollama in a cluster's pods."""
