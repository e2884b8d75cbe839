"""Fit a network: batches, recipes and the loop itself."""
