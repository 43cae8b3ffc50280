"""How a change that restarts something goes through a fleet, and back."""
