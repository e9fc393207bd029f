"""A config.pbtxt, read with Triton's own messages; and a model.yaml, written."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import yaml

from headrace.config.file import read_text
from headrace.config.load import MOST_ERRORS, MOST_SHOWN
from headrace.config.triton.fields import nameless
from headrace.errors import ConfigInvalid

FILE: Final = "config.pbtxt"
HEAD: Final = (
    "# From Triton's config.pbtxt: `headrace convert` says what became of each of its words.\n"
)
MESSAGES: Final = "headrace_triton_model_config_pb2"
#: How protobuf's errors begin.
PLACE: Final = re.compile(r"^\d+:\d+ : ")


def read(path: Path) -> Any:
    """Return the ModelConfig that is written at ``path``.

    Raises:
        ConfigInvalid: ``file:line:column: what``; or the packages that read it are not there.
    """
    try:
        from google.protobuf import text_format

        messages = _messages()
    except ImportError as error:
        raise ConfigInvalid(
            f"to read {FILE} needs packages that serving does not ({error}): "
            "pip install 'headrace[triton]'"
        ) from error
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise ConfigInvalid(f"{path} is not there: name a model's folder, or its {FILE}") from None
    try:
        config = text_format.Parse(text, messages.ModelConfig())
    except text_format.ParseError as error:
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        what = PLACE.sub("", " ".join(str(error).split()))
        what = what if len(what) <= MOST_SHOWN else f"{what[:MOST_SHOWN]}..."
        raise ConfigInvalid(f"{path}:{line}:{column}: {what}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Some values it sets as they are written, and the message refuses them without a place.
        raise ConfigInvalid(f"{path}:1:1: {error}") from error
    # A number is taken as it is written.
    if wrong := list(nameless(config)):
        raise ConfigInvalid("\n".join(f"{path}:1:1: {what}" for what in wrong[:MOST_ERRORS]))
    return config


def told(path: Path, wrong: str) -> str:
    """Return what is wrong with a file, with its name before each line."""
    return "\n".join(f"{path}: {line}" for line in wrong.splitlines())


def from_dict(values: Mapping[str, Any], path: Path) -> Any:
    """Return the ModelConfig that a model has made of the one at ``path``.

    Raises:
        ConfigInvalid: a value does not belong there.
    """
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(values, _messages().ModelConfig())
    except json_format.ParseError as error:
        raise ConfigInvalid(f"{path}: as auto_complete_config left it: {error}") from error


@cache
def _messages() -> ModuleType:
    """Return Triton's messages alone.

    Their package brings gRPC and NumPy, and that must not come before its count of threads is set.
    """
    package = find_spec("tritonclient")
    if package is None or not package.submodule_search_locations:
        raise ImportError("No module named 'tritonclient'")
    (folder, *_) = package.submodule_search_locations
    spec = spec_from_file_location(MESSAGES, Path(folder) / "grpc" / "model_config_pb2.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"No module named {MESSAGES!r}")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        raise ImportError("No module named 'tritonclient.grpc'") from error
    return module


def written(settings: Mapping[str, Any]) -> str:
    """Return a model.yaml that says ``settings``."""
    if not settings:
        return HEAD
    return HEAD + yaml.safe_dump(
        dict(settings), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
