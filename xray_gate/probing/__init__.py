"""Asking a model questions: probe sets, planes of points, oracles and checks of their answers."""
