"""Detectors of others, written from their papers to stand beside the product's. Lab only."""
