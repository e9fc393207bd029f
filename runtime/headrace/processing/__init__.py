"""What model.yaml does to a model's inputs and outputs, step by step."""
