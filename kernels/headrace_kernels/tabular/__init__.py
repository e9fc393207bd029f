"""From columns of numbers and of categories to the one row of floats that a model reads."""

from headrace_kernels.tabular.features import Encoding, Features, one_hot_starts
from headrace_kernels.tabular.launcher import encode_features

__all__ = ["Encoding", "Features", "encode_features", "one_hot_starts"]
