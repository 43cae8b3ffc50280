"""What a host can have. A resource says how it is seen and which commands change it. Pure."""
