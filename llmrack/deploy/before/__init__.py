"""What is checked before any host is changed."""
