"""Hostile models, each built by code when a test asks for it; none is stored."""
