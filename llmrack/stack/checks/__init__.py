"""What cannot be seen in one field alone."""
