"""llmrack: from bare Linux boxes with GPUs to a proven LLM service, declared once."""

# The only place that says it: pyproject.toml reads it here, and hosts get it in a file.
__version__ = "0.2.0"
