"""docs/kernels.md says what there is."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.kernels.shim.machine import Shim

from headrace_kernels import device
from headrace_kernels.table import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "kernels.md").read_text()


def test_every_kernel_is_in_the_tables_and_no_other() -> None:
    kinds, _, promises = PAGE.partition("## What is promised")
    named = re.findall(r"^\| `\w+\.(\w+)` \|", kinds, re.MULTILINE)
    assert sorted(named) == sorted(TABLE)
    promised = re.findall(r"^\| `(\w+)`", promises.partition("## How")[0], re.MULTILINE)
    assert set(promised) == set(TABLE)


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\nimport cupy\n(.+?)```", PAGE, re.DOTALL)
    # Here is no CuPy: arrays stay NumPy's, and the machine is the shim.
    monkeypatch.setattr(device, "current", Shim)
    names: dict[str, Any] = {
        "cupy": SimpleNamespace(asarray=np.asarray),
        "images": [np.full((300, 260, 3), 124, np.uint8), np.zeros((400, 500, 3), np.uint8)],
    }
    exec(code, names)
    assert names["tensor"].shape == (2, 3, 224, 224)
    assert abs(names["tensor"][0, 0]).max() < 0.01
