"""From columns of numbers and of categories to the one row of floats that a model reads."""
