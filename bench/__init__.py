"""Measurements: what a run costs, beside other tools and beside what is possible at all."""
