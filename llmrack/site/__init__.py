"""Everything that is declared, read together, without asking a host."""
