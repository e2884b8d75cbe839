"""Explore what a hard-label scan of planes holds besides the published scores."""
