"""The proof as a part of a run."""
