"""The command line's groups, a file each: thin; everything they do is a function elsewhere."""
