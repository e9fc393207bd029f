"""From the module of a version's model.py to its Model, by the config.pbtxt that is beside it."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from headrace.backends.triton_python.instance import Instance, class_of, completed
from headrace.backends.triton_python.parts import InParts
from headrace.backends.triton_python.whole import WholeAnswers
from headrace.config.schema import ModelConfig
from headrace.config.triton import text
from headrace.config.triton.fields import as_dict
from headrace.config.triton.serving import differing, path_of, served
from headrace.config.triton.tensors import Declared
from headrace.errors import ModelInvalid
from headrace.models import Model, Tensor


def open_model(module: ModuleType, file: Path, config: ModelConfig, name: str) -> Model:
    """Return the version's Model, which is to be loaded. What its class raises comes through.

    Args:
        module: what was imported.
        file: where it was imported from.
        config: what the config.pbtxt came to when the server began.
        name: of the model.

    Raises:
        ModelInvalid: the class asks for what is not served, or completes the configuration with
            what has to be known before it is imported.
        ConfigInvalid: it completes it with what does not belong there.
    """
    cls = class_of(module, file)
    path = path_of(file.parent)
    given = text.read(path)
    given.name = given.name or name
    said = as_dict(given)
    whole = completed(cls, said, file)
    if whole != said:
        given = text.from_dict(whole, path)
    converted, ours, wrong = served(given, name, "triton_python")
    if wrong:
        raise ModelInvalid(f"{path}, as auto_complete_config() left it:\n{wrong}")
    if changed := differing(config, ours):
        raise ModelInvalid(
            f"{file}: auto_complete_config() says what {path} has to say, for it is known before "
            f"the class is ({changed}): write max_batch_size: {given.max_batch_size}, and what "
            "else it sets beside inputs and outputs, there"
        )
    instance = Instance(cls, as_dict(given))
    inputs, outputs = _tensors(converted.inputs), _tensors(converted.outputs)
    for side, tensors in (("input", inputs), ("output", outputs)):
        if not tensors:
            raise ModelInvalid(f"{path} declares no {side}, and auto_complete_config() adds none")
    has_rows = not ours.batching.unbatched
    if ours.streams:
        return InParts(instance, inputs, outputs, has_rows=has_rows)
    return WholeAnswers(instance, inputs, outputs, has_rows=has_rows)


def _tensors(declared: Sequence[Declared]) -> list[Tensor]:
    return [Tensor(one.name, one.datatype, one.shape) for one in declared]
