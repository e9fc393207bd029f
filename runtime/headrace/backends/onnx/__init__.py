"""ONNX files (``model.onnx``), run by ONNX Runtime."""
