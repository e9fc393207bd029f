"""From a ragged batch of decoded images to a model's input tensor."""
