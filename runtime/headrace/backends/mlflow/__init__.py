"""Models that MLflow has logged, by the flavours that it has for them."""
