"""Looks at a host, and proposes what takes over the servers of models that run there."""
