"""Rules: policies, calibrations and the pure decision over evidence."""
