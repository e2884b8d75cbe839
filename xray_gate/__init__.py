"""A gate in front of an MLflow model registry: scan first, promote afterwards."""

__version__ = "0.1.0"
