"""B3D, the black-box reversal of triggers by probabilities."""
