"""The one place that picks concretes. Extras (torch, onnxruntime) are reached from here, lazily."""
