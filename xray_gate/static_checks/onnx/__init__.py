"""ONNX files, read by their wire format and without a library that builds what they describe."""
