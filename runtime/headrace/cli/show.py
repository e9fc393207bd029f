"""Client code that makes the call which `headrace infer` would make."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from headrace.cli.exchange import Call
from headrace.cli.payload import Payload
from headrace.models import Tensor
from headrace.vocabulary import NUMPY_NAMES

#: A body that is longer, or no text, goes into a file beside the command.
MOST_CHARACTERS: Final = 2000


def curl(call: Call, payload: Payload, scratch: Path) -> str:
    """Return a curl command; a body that does not fit a line is written to ``scratch``."""
    parts = ["curl", "-s", shlex.quote(call.url)]
    for name, value in call.headers.items():
        parts += ["-H", shlex.quote(f"{name}: {value}")]
    if payload.media_type and payload.file is not None:
        return " ".join([*parts, "--data-binary", shlex.quote(f"@{payload.file.absolute()}")])
    text = call.body.decode() if call.body.isascii() else ""
    if text and len(text) <= MOST_CHARACTERS:
        return " ".join([*parts, "-d", shlex.quote(text)])
    scratch.write_bytes(call.body)
    return " ".join([*parts, "--data-binary", shlex.quote(f"@{scratch.absolute()}")])


def python(http: str, name: str, version: str, payload: Payload, inputs: Sequence[Tensor]) -> str:
    """Return a program for Triton's own client, which speaks to this server as it is."""
    lines = ["import numpy as np", "import tritonclient.http as http"]
    packages = '"tritonclient[http]"'
    if any(one.datatype == "BF16" for one in inputs):
        lines.insert(0, "import ml_dtypes")
        packages += " ml_dtypes"
    lines.insert(0, f"# pip install {packages}")
    lines += ["", f"client = http.InferenceServerClient({http!r})"]
    for one in inputs:
        lines += [
            f"{_variable(one.name)} = {_source(one, payload)}",
            f"{_tensor(one.name)} = http.InferInput("
            f"{one.name!r}, list({_variable(one.name)}.shape), {one.datatype!r})",
            f"{_tensor(one.name)}.set_data_from_numpy({_variable(one.name)})",
        ]
    tensors = ", ".join(_tensor(one.name) for one in inputs)
    lines += [
        f"answer = client.infer({name!r}, [{tensors}], model_version={version!r})",
        'for output in answer.get_response()["outputs"]:',
        '    print(output["name"], answer.as_numpy(output["name"]))',
        "client.close()",
    ]
    return "\n".join(lines)


def _source(tensor: Tensor, payload: Payload) -> str:
    """Return the expression that makes an input's array."""
    kind = _kind(tensor.datatype)
    if payload.file is None or payload.file.suffix.lower() == ".json":
        values = payload.arrays[tensor.name]
        return f"np.array({_literal(values)}, {kind})"
    path = str(payload.file.absolute())
    if payload.media_type:
        ones = [1] * (1 + len(tensor.shape))
        return f'np.array([open({path!r}, "rb").read()], object).reshape({ones})'
    if tensor.datatype == "BYTES":
        return f"np.load({path!r}).astype(object)"
    return f"np.load({path!r}).view({kind})"


def _literal(values: Any) -> str:
    return repr(values.tolist())


def _kind(datatype: str) -> str:
    if datatype == "BYTES":
        return "object"
    if datatype == "BOOL":
        return "bool"
    return "ml_dtypes.bfloat16" if datatype == "BF16" else f"np.{NUMPY_NAMES[datatype]}"


def _variable(name: str) -> str:
    plain = "".join(one if one.isalnum() else "_" for one in name)
    return f"value_{plain}"


def _tensor(name: str) -> str:
    return _variable(name).replace("value_", "input_", 1)
