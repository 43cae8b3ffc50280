"""Ollama: its release, its instances, its models, how they are changed."""
