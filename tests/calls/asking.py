"""Asks the model `front`, which asks others, and tells what they said."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import tritonclient.http as triton_http

MODELS: Final = Path(__file__).parent / "models"
#: What `front` is asked for, and what it tells of it: a value, or an error's code and a part of its
#: text.
CASES: Final[list[tuple[dict[str, Any], Any]]] = [
    ({}, [[[2.0, 4.0]], ["back"]]),
    ({"version": 1, "say": "hello"}, [[[2.0, 4.0]], ["hello"]]),
    ({"how": "many"}, [[[2.0 + 2 * i, 4.0 + 2 * i]] for i in range(8)]),
    ({"how": "parts", "model": "parts"}, [0, 1, 2, 3]),
    ({"how": "parts"}, ("invalid", "unexpected inference input 'n'")),
    ({"model": "middle", "next": "back"}, [[[2.0, 4.0]], ["back"]]),
    ({"model": "middle", "next": "front"}, ("invalid", "callers: front/1 middle/1")),
    ({"model": "front"}, ("invalid", "'front' version 1 would wait for itself")),
    ({"model": "nobody"}, ("not_found", "unknown model: 'nobody'")),
    ({"version": 9}, ("not_found", "version 9")),
    ({"say": "fail"}, ("model_failed", "raised RuntimeError: on purpose")),
    ({"say": "refuse"}, ("invalid", "not this one")),
    ({"model": "parts"}, ("invalid", "context.call_in_parts()")),
    ({"sleep_s": 5.0, "timeout_s": 0.2}, ("expired", "")),
]


def repository(folder: Path) -> Path:
    """Make one with `front`, `middle`, which is the same, and whom they call."""
    shutil.copytree(MODELS, folder, dirs_exist_ok=True)
    shutil.copytree(MODELS / "front", folder / "middle")
    return folder


def told(address: str, rows: int = 1, **parameters: Any) -> list[Any]:
    """Return for each row what came of its call."""
    x = np.array([[1, 2]] * rows, np.float32)
    sent = triton_http.InferInput("x", list(x.shape), "FP32")
    sent.set_data_from_numpy(x)
    with triton_http.InferenceServerClient(address, network_timeout=60) as client:
        answer = client.infer("front", [sent], parameters=parameters)
    return [json.loads(one) for one in answer.as_numpy("told").ravel()]


def check(address: str, parameters: dict[str, Any], expected: Any) -> None:
    """Ask, and compare."""
    (found,) = told(address, **parameters)
    if isinstance(expected, tuple):
        code, text = expected
        assert found["code"] == code, found
        assert text in found["text"]
    else:
        assert found == expected
