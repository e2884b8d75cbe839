"""How well detectors tell backdoored models from clean ones."""
