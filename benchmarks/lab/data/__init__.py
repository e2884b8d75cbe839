"""Image data sets, and where they lie."""
