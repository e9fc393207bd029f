"""What runs a version: a Python class, or an exported PyTorch program."""
