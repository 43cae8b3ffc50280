"""The proof that an Ollama instance is what is declared."""
