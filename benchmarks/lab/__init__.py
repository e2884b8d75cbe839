"""Small image classifiers, clean and backdoored, trained fast on a CPU to measure detectors on."""
