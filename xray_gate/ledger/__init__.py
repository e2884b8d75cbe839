"""The ledger: registrations, evidence and verdicts, in the registry's own database."""
