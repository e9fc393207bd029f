"""From rows of any length to a rectangle and its mask: tokens of texts, or rows of tables."""
