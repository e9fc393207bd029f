"""What runs a version: a Python class, an ONNX graph, or an exported PyTorch program."""
