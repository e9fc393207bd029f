"""What a user writes, and the life of a version of it."""

from headrace.models.batch import Batch
from headrace.models.context import Context
from headrace.models.model import Model
from headrace.models.sequence import Sequence
from headrace.models.tensor import Tensor

__all__ = ["Batch", "Context", "Model", "Sequence", "Tensor"]
