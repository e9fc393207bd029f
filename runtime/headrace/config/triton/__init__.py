"""What Triton's config.pbtxt says, in words of model.yaml."""
