"""What a fresh clone lacks to deploy the same again: in one file, and back."""
