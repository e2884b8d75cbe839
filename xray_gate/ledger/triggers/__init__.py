"""Triggers beside MLflow's tables: a second line for writers that do not pass the gated server.

The SQL lies beside the modules, one pair of files for each database.
"""
