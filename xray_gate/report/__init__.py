"""Reports: JSON, a self-contained HTML page and the planes as figures."""
