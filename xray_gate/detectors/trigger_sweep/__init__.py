"""The trigger sweep."""
