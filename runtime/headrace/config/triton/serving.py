"""Triton's folder of a model, served as it is: what its config.pbtxt comes to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from headrace.config.schema import ModelConfig
from headrace.config.triton.convert import Converted, convert

#: File of a version's folder → what runs it, where a config.pbtxt is beside and no model.yaml.
BACKENDS: Final[Mapping[str, str]] = {
    "model.py": "triton_python",
    "model.onnx": "onnx",
    "model.pt": "torchscript",
}
#: What runs a pipeline (`ensembles.py`), which no file of a version's folder says.
ENSEMBLE: Final = "triton_ensemble"
#: Triton's backend, or platform → the file that it runs.
FILES: Final[Mapping[str, str]] = {
    "python": "model.py",
    "onnxruntime": "model.onnx",
    "onnxruntime_onnx": "model.onnx",
    "pytorch": "model.pt",
    "pytorch_libtorch": "model.pt",
}


#: What a folder that is served as it is has, and a model.yaml has no word for.
AS_IT_IS: Final = frozenset({"version_policy.specific"})
#: As Triton swaps by itself: a version that its policy chooses takes all traffic once it is ready.
SWAPS: Final = {"on_new": "swap"}


def chosen(given: Any, numbers: Sequence[int]) -> list[int]:
    """Return those versions of a folder that its `version_policy` chooses, lowest first.

    The highest one where it says nothing.
    """
    policy = given.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return sorted(numbers)
        case "specific":
            return sorted(set(numbers) & set(policy.specific.versions))
        case _:
            return sorted(numbers)[-(policy.latest.num_versions or 1) :]


def wanted(given: Any) -> tuple[str, str]:
    """Return the file that a configuration names by its backend or platform, and why not.

    The first is empty where it names none; the second where nothing is wrong.
    """
    files = set()
    for field in ("backend", "platform"):
        word = getattr(given, field)
        if word and word not in FILES:
            return "", f"{field}: {word!r} is not served here; there is {', '.join(FILES)}"
        files |= {FILES[word]} if word else set()
    if len(files) > 1:
        return "", f"backend: {given.backend!r} is not what runs platform {given.platform!r}"
    file = files.pop() if files else ""
    other = given.default_model_filename
    if other and (other not in BACKENDS or file not in ("", other)):
        names = file or ", ".join(BACKENDS)
        return "", f"default_model_filename: expected {names}, not {other!r}"
    return file or other, ""


def served(given: Any, name: str, backend: str) -> tuple[Converted, ModelConfig, str]:
    """Return what a configuration comes to, as a model.yaml would say it, and what is refused.

    Args:
        given: Triton's ModelConfig.
        name: of the model's folder.
        backend: one of `BACKENDS`.

    The text has a line for each refusal, and is empty where nothing is refused.
    """
    converted = convert(given, name, backend=backend)
    refused = [one for one in converted.refused if one.field not in AS_IT_IS]
    wrong = "\n".join(f"{one.field}: {one.text}" for one in refused)
    config = ModelConfig.model_validate({"versions": SWAPS, **converted.settings})
    return converted, config, wrong


def differing(ours: ModelConfig, completed: ModelConfig) -> str:
    """Return which sections a class completes otherwise than its file says; empty if none."""
    names = [
        one for one in ModelConfig.model_fields if getattr(ours, one) != getattr(completed, one)
    ]
    return ", ".join(names)


def path_of(folder: Path) -> Path:
    """Return where the config.pbtxt of a version's folder lies."""
    return folder.parent / "config.pbtxt"
