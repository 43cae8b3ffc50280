"""llmrack: from bare Linux boxes with GPUs to a proven LLM service, declared once."""
