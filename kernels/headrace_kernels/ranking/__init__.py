"""From a classifier's logits to the few classes that an answer names."""
