"""What is served, by whom and how well."""
