"""Pickles, read without being executed."""
