"""Networks for a runtime, as ONNX."""
