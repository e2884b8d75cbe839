"""Signed verdicts: written by a runner, checked where nothing but the bytes is at hand."""
