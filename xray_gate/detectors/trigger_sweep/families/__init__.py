"""Families of candidate triggers: each draws seeded members at a dose."""
