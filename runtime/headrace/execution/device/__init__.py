"""Where models compute, and how the rows of a batch come there and back."""
