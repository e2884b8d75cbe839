"""Detectors: each asks an oracle and returns evidence, never a verdict."""
