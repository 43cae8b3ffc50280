"""A page with everything on it, and the drawing of a fleet."""
