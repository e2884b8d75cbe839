"""Attacks: triggers, the labels they lead to, how they enter a training set or the training."""
