"""Triggers reversed by queries alone: the optimiser that the soft-label scans share."""
