"""From a classifier's logits to the few classes that an answer names."""

from headrace_kernels.ranking.launcher import softmax_top_k

__all__ = ["softmax_top_k"]
