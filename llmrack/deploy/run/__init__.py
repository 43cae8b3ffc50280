"""One run: its hosts, its lock, its turns."""
