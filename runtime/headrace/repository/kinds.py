"""Which file of a version's folder says what runs it."""

from pathlib import Path
from typing import Final

from headrace.config.onnx import OnnxRuntime
from headrace.config.schema import ModelConfig
from headrace.config.torch import PyTorch
from headrace.config.triton.serving import BACKENDS as TRITONS_BACKENDS
from headrace.config.triton.serving import ENSEMBLE

#: File of a version's folder → the backend that runs it; the first one found counts.
BACKENDS: Final[dict[str, str]] = {
    "model.py": "python",
    "model.onnx": "onnx",
    "net.pt2": "torch",
    "upstream.yaml": "upstream",
    "ensemble.yaml": "ensemble",
}
#: And back, those of Triton's folders among them.
FILES: Final = {
    "mlflow": "MLmodel",
    **{backend: file for file, backend in (*TRITONS_BACKENDS.items(), *BACKENDS.items())},
}
#: Backends of versions that gateways carry themselves: no host loads them.
UNHOSTED: Final = frozenset({"upstream", "ensemble", ENSEMBLE})


def file_of(place: Path) -> str | None:
    """Return the name of the file in a version's folder by which it is run, if it has one."""
    return next((one for one in BACKENDS if (place / one).is_file()), None)


def misplaced(file: Path, backend: str, config: ModelConfig) -> str:
    """Return what a configuration says that is not for what runs the version; empty if nothing."""
    if backend in UNHOSTED:
        # It is for versions that run here.
        return ""
    if backend != "torch" and (config.inputs is not None or config.outputs is not None):
        owner = "class" if backend == "python" else "file"
        return (
            f"inputs and outputs are declared here and in {file}: the {owner} owns them, take them "
            "out here"
        )
    if backend != "python" and config.streams:
        return (
            f"streams is for a class with stream() or step(), and {file} returns one answer: take "
            "it out"
        )
    if backend != "onnx" and config.onnx != OnnxRuntime():
        return f"onnx is for a model.onnx, and {file} runs this version: take it out"
    if backend != "torch" and config.torch != PyTorch():
        return f"torch is for a net.pt2, and {file} runs this version: take it out"
    if backend == "torch" and (config.inputs is None or config.outputs is None):
        return (
            f"{file} does not name its tensors: write inputs and outputs here, as a list of "
            "{name: x, datatype: FP32, shape: [3, 224, 224]}"
        )
    return ""
