"""What is declared of Ollama: providers, instances, names, the release that is pinned."""
