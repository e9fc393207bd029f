"""Exported PyTorch programs (``net.pt2``), and how they are made fast."""
