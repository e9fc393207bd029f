"""Serve machine-learning models: what a model's author imports.

    from headrace import Batch, Context, Model, Tensor

Nothing heavy is imported here: the commands and every host start through this file.
"""

from headrace.models import Batch, Context, Model, Sequence, Tensor

__all__ = ["Batch", "Context", "Model", "Sequence", "Tensor"]
__version__ = "0.1.0"
