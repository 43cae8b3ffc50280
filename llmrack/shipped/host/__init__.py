"""Programs that are sent to hosts: Python 3.10 and its standard library."""
