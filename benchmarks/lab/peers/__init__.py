"""Detectors of others, after their authors' programs, to stand beside the product's. Lab only."""
