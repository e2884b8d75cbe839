"""For authors of detectors: a contract to test theirs by; see docs/write-a-detector.md."""
