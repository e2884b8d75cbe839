"""Architectures, small ones for a CPU and those of the literature."""
