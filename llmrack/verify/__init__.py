"""The proof: real requests to gateways and Ollama instances, and what they found out."""
