"""From a version found in a repository to its Model object and its contract with the core."""

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from headrace.backends.onnx.model import OnnxModel, Uses
from headrace.backends.python_class import make, of_tritons
from headrace.backends.pytorch.program import ExportedProgram
from headrace.backends.torchscript import ScriptedProgram
from headrace.backends.without_rows import WithoutRows
from headrace.config.batching import Batching
from headrace.config.schema import ModelConfig, TensorEntry
from headrace.config.torch import prepared_rows
from headrace.errors import ModelBroken, ModelInvalid
from headrace.execution import joining, labelling, sequencing
from headrace.execution.calling import Calling
from headrace.models import Context, Model, Tensor
from headrace.repository.folder import Version
from headrace.repository.instances import version_of
from headrace.repository.kinds import FILES
from headrace.repository.private import import_private

#: What runs code of a user's, who may keep state in it.
CLASSES: Final = ("python", "triton_python")
#: What may keep state, or may not: nothing tells. Not run again unless model.yaml says so.
OPAQUE: Final = (*CLASSES, "mlflow")
#: What runs a version → what metadata call it, where it has another name.
PLATFORMS: Final = {"triton_python": "python"}
#: What models that are written for Triton import; there is one where it is needed.
TRITONS_MODULE: Final = "triton_python_backend_utils"
#: How a file begins that Git LFS has left in the place of another.
POINTER: Final = b"version https://git-lfs.github.com/spec/"


def open_model(version: Version, threads: int = 0) -> Model:
    """Return the version's Model, not loaded yet. What its module raises comes through.

    A library that is told of ``threads`` works with so many on a batch; 0 is its own choice.

    Raises:
        ModelInvalid: its class or file does not say what it needs to say.
        ModelBroken: it is to have a GPU, and there is none.
    """
    config = version.config
    if version.backend not in CLASSES and config.sequences is not None:
        raise ModelInvalid(
            "sequences are for a Python class, which keeps state: a file of a model has none"
        )
    model = _processed(_open(version, threads), config)
    sequencing.check(config.sequences, model.inputs)
    sent = sequencing.asked(model.inputs, config.sequences)
    check_cost(config.batching, sent)
    joining.check(config.batching, sent, model.outputs)
    labelling.check(
        config.feedback,
        model.outputs,
        streams=config.streams,
        unbatched=config.batching.unbatched,
    )
    return model


def _processed(model: Model, config: ModelConfig) -> Model:
    if not config.preprocess and not config.postprocess:
        return model
    # Brings NumPy, which must not come before its count of threads is set.
    from headrace.processing.processed import Processed

    return Processed(model, config.preprocess, config.postprocess)


def _open(version: Version, threads: int) -> Model:
    config, unbatched = version.config, version.config.batching.unbatched
    device = devices(version)[0]
    file = version.folder / FILES[version.backend]
    check_content(file)
    if version.backend == "onnx":
        graph = OnnxModel(
            file,
            config.onnx,
            Uses(gpu=device != "cpu", lanes=config.lanes, threads=threads),
            has_rows=not unbatched,
        )
        return WithoutRows(graph) if unbatched else graph
    if version.backend == "torch":
        if unbatched:
            raise ModelInvalid(
                "batching.unbatched is not for net.pt2: export it with a first axis of any size, "
                "which is that of rows"
            )
        model: Model = ExportedProgram(
            _tensors(config.inputs or ()),
            _tensors(config.outputs or ()),
            config.torch,
            prepared_rows(config.batching),
        )
    elif version.backend == "mlflow":
        if unbatched:
            raise ModelInvalid(
                "batching.unbatched is not for a source: the first axes of its signature are rows"
            )
        # Brings what reads signatures, which no other version needs.
        from headrace.backends.mlflow.model import LoggedModel

        model = LoggedModel(file)
    elif version.backend == "torchscript":
        model = ScriptedProgram(_tensors(config.inputs or ()), _tensors(config.outputs or ()))
        model = WithoutRows(model) if unbatched else model
    elif version.backend == "triton_python":
        # Brings asyncio, which no other version needs.
        from headrace.backends.triton_python import opening, surface

        surface.provide()
        module = import_private(version.folder, "model")
        model = opening.open_model(module, file, config, version.model)
    else:
        module = _class_module(version.folder, file)
        model = make(module, file, streams=config.streams)
    check_device(device)
    return model


def _class_module(folder: Path, file: Path) -> ModuleType:
    try:
        return import_private(folder, "model")
    except ModuleNotFoundError as error:
        if error.name != TRITONS_MODULE:
            raise
        raise ModelInvalid(of_tritons(file)) from error


def check_content(file: Path) -> None:
    """Refuse what stands for a file in a clone without Git LFS, before a reader fails on it.

    Raises:
        ModelInvalid: it is such a pointer.
    """
    with file.open("rb") as opened:
        if opened.read(len(POINTER)) == POINTER:
            raise ModelInvalid(f"{file} is a pointer of Git LFS, not the file: run `git lfs pull`")


def check_device(device: str) -> None:
    """Refuse a GPU that is not there, before a model fails in its own words.

    Raises:
        ModelBroken: model.yaml asks for a GPU and PyTorch finds none.
    """
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise ModelBroken("placement asks for a GPU, and PyTorch finds none on this machine")


def devices(version: Version) -> list[str]:
    """Return what a version's process computes on: each GPU that it has, or has a share of."""
    return [f"cuda:{at}" for at in range(ceil(version.config.placement.gpus))] or ["cpu"]


def context(version: Version, calling: Calling | None = None) -> Context:
    """Return what ``load`` is told; without a server's ``calling`` the model calls no other one."""
    calling = calling or Calling(version)
    return Context(
        model=version.model,
        version=version_of(version.number),
        folder=version.folder,
        device=devices(version)[0],
        devices=devices(version),
        parameters=version.config.parameters,
        caller=calling,
        metrics=calling,
    )


def contract(version: Version, model: Model) -> str:
    """Return what the core needs to know of the version, as JSON."""
    config = version.config
    repeatable = config.repeatable
    facts: dict[str, Any] = {
        "model": version.model,
        "version": version.number,
        "platform": PLATFORMS.get(version.backend, version.backend),
        "inputs": [
            {
                **_spec(one),
                "join": joining.join_facts(config.batching.join.get(one.name), one.datatype),
            }
            for one in sequencing.asked(model.inputs, config.sequences)
        ],
        "outputs": [
            {**_spec(one), "like": config.batching.like.get(one.name)} for one in model.outputs
        ],
        "batching": batching_facts(config.batching),
        # A graph or an exported program has no state to spoil; a class may have any.
        "repeatable": version.backend not in OPAQUE if repeatable is None else repeatable,
        "lanes": config.lanes,
        "streams": config.streams,
        "unbatched": config.batching.unbatched,
        "sequences": sequencing.facts(config.sequences, model.inputs),
        "feedback": labelling.facts(config.feedback, model.outputs),
    }
    return json.dumps(facts)


def batching_facts(batching: Batching) -> dict[str, Any]:
    """Return the limits of a version's batches as the core takes them."""
    return {
        **batching.model_dump(exclude={"cost", "join", "like", "unbatched"}),
        "cost": [one.facts() for one in batching.cost],
    }


def check_batching(batching: Batching, inputs: Sequence[Tensor]) -> None:
    """Check that a model with these inputs can be batched so.

    Raises:
        ModelInvalid: it cannot, and why.
    """
    check_cost(batching, inputs)
    joining.check_inputs(batching, inputs)


def check_cost(batching: Batching, inputs: Sequence[Tensor]) -> None:
    """Check that what is counted is there.

    Raises:
        ModelInvalid: it is no input of the model, or has no value that could be counted.
    """
    declared = {one.name: one.datatype for one in inputs}
    for term in batching.cost:
        if term.input is None:
            continue
        wrong = ""
        if term.input not in declared:
            wrong = f"which the model does not declare: its inputs are {', '.join(declared)}"
        elif term.value and "INT" not in declared[term.input]:
            wrong = f"which is {declared[term.input]}: only integers have a value that is counted"
        if wrong:
            raise ModelInvalid(f"batching.cost names the input {term.input!r}, {wrong}")


def _tensors(entries: Sequence[TensorEntry]) -> list[Tensor]:
    return [Tensor(one.name, one.datatype, one.shape) for one in entries]


def _spec(one: Tensor) -> dict[str, Any]:
    return {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
