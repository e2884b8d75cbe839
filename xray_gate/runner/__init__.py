"""The runner: finds versions without a verdict, scans them, records what it found."""
