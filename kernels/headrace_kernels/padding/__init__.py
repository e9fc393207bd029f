"""From rows of any length to a rectangle and its mask: tokens of texts, or rows of tables."""

from headrace_kernels.padding.launcher import pad_ragged
from headrace_kernels.padding.padding import Padding

__all__ = ["Padding", "pad_ragged"]
