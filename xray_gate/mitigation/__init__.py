"""What can be done about a backdoor that was found, without touching the model."""
