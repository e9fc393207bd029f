"""Client code that makes the call which `headrace infer` would make."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from headrace.cli.exchange import Call
from headrace.execution.payload import Payload
from headrace.models import Tensor
from headrace.vocabulary import NUMPY_NAMES

#: A body that is longer, or no text, goes into a file beside the command.
MOST_CHARACTERS: Final = 2000
#: Parameters that are arguments of their own in Triton's client.
ARGUMENTS: Final = ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout")


def curl(call: Call, payload: Payload, scratch: Path, *, in_parts: bool = False) -> str:
    """Return a curl command; a body that does not fit a line is written to ``scratch``."""
    # -N: each part is printed as it comes.
    parts = ["curl", "-sN" if in_parts else "-s", shlex.quote(call.url)]
    for name, value in call.headers.items():
        parts += ["-H", shlex.quote(f"{name}: {value}")]
    if payload.file is not None and call.headers["Content-Type"] == payload.media_type:
        return " ".join([*parts, "--data-binary", shlex.quote(f"@{payload.file.absolute()}")])
    text = call.body.decode() if call.body.isascii() else ""
    if text.isprintable() and 0 < len(text) <= MOST_CHARACTERS:
        return " ".join([*parts, "-d", shlex.quote(text)])
    scratch.write_bytes(call.body)
    return " ".join([*parts, "--data-binary", shlex.quote(f"@{scratch.absolute()}")])


def python(http: str, name: str, version: str, payload: Payload, inputs: Sequence[Tensor]) -> str:
    """Return a program for Triton's own client, which speaks to this server as it is."""
    return "\n".join(
        [
            *_head("http", inputs),
            "",
            f"client = http.InferenceServerClient({http!r})",
            *_tensors("http", payload, inputs),
            f"answer = client.infer({name!r}, [{_names(inputs)}], model_version={version!r}"
            f"{_more(payload)})",
            'for output in answer.get_response()["outputs"]:',
            '    print(output["name"], answer.as_numpy(output["name"]))',
            "client.close()",
        ]
    )


def python_for_parts(
    grpc: str, name: str, version: str, payload: Payload, inputs: Sequence[Tensor]
) -> str:
    """Return such a program that reads an answer in parts, over gRPC."""
    return "\n".join(
        [
            *_head("grpc", inputs, "import queue", ""),
            "",
            "came = queue.Queue()",
            *_tensors("grpc", payload, inputs),
            f"with grpc.InferenceServerClient({grpc!r}) as client:",
            "    client.start_stream(lambda result, error: came.put((result, error)))",
            "    client.async_stream_infer(",
            f"        {name!r}, [{_names(inputs)}], model_version={version!r},",
            "        enable_empty_final_response=True,",
            "    )",
            "    while True:",
            "        part, error = came.get()",
            "        if error is not None:",
            "            raise error",
            '        if part.get_response().parameters["triton_final_response"].bool_param:',
            "            break",
            "        for output in part.get_response().outputs:",
            "            print(output.name, part.as_numpy(output.name))",
        ]
    )


def _more(payload: Payload) -> str:
    """Return the arguments that say a request's parameters, as Triton's client takes them."""
    own = {name: value for name, value in payload.parameters.items() if name in ARGUMENTS}
    rest = {name: value for name, value in payload.parameters.items() if name not in ARGUMENTS}
    more = {**own, **({"parameters": rest} if rest else {})}
    return "".join(f", {name}={value!r}" for name, value in more.items())


def _head(protocol: str, inputs: Sequence[Tensor], *first: str) -> list[str]:
    packages, imports = f'"tritonclient[{protocol}]"', ["import numpy as np"]
    if any(one.datatype == "BF16" for one in inputs):
        imports.insert(0, "import ml_dtypes")
        packages += " ml_dtypes"
    imports.append(f"import tritonclient.{protocol} as {protocol}")
    return [f"# pip install {packages}", *first, *imports]


def _tensors(protocol: str, payload: Payload, inputs: Sequence[Tensor]) -> list[str]:
    lines = []
    for one in inputs:
        lines += [
            f"{_variable(one.name)} = {_source(one, payload)}",
            f"{_tensor(one.name)} = {protocol}.InferInput("
            f"{one.name!r}, list({_variable(one.name)}.shape), {one.datatype!r})",
            f"{_tensor(one.name)}.set_data_from_numpy({_variable(one.name)})",
        ]
    return lines


def _names(inputs: Sequence[Tensor]) -> str:
    return ", ".join(_tensor(one.name) for one in inputs)


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
