"""How files and models get to hosts."""
