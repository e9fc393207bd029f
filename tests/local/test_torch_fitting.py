"""A program that would refuse requests is refused when it is loaded."""

from pathlib import Path
from typing import Any

import pytest
from tests.exported_programs import TENSORS, picture, write
from tests.local.test_torch_settings import loaded

from headrace.errors import ModelInvalid


@pytest.mark.parametrize(
    ("program", "yaml", "tensors", "said"),
    [
        ({"rows": False}, "{max_rows: 8}", TENSORS, "takes 2 rows and no others.+allowed_rows: .2"),
        ({"largest": 4}, "{max_rows: 8}", TENSORS, "takes up to 4 rows.+have 8: .+max_rows: 4"),
        (
            {}, "{max_rows: 8}", TENSORS.replace("FP32, shape: [3", "FP64, shape: [3"),
            r"takes torch.float32 where model.yaml has Tensor\('pixels', 'FP64'",
        ),
        (
            {}, "{max_rows: 8}", TENSORS.replace("[3, 8, 8]", "[3, 9, 8]"),
            r"takes a shape of \[rows, 3, 8, 8\] where model.yaml has",
        ),
        (
            {}, "{max_rows: 8}", TENSORS.replace("[3, 8, 8]", "[3, 8]"),
            r"takes a shape of \[rows, 3, 8, 8\] where model.yaml has",
        ),
        (
            {}, "{max_rows: 8}",
            TENSORS.replace("outputs:", "  - {name: more, datatype: FP32, shape: [1]}\noutputs:"),
            "takes 1 arguments, and model.yaml declares 2 inputs",
        ),
    ],
)  # fmt: skip
def test_what_a_program_would_refuse_is_told_when_it_is_loaded(
    tmp_path: Path, program: dict[str, Any], yaml: str, tensors: str, said: str
) -> None:
    models = write(tmp_path, picture(**program), f"batching: {yaml}", tensors)
    with pytest.raises(ModelInvalid, match=said):
        loaded(models)


@pytest.mark.parametrize(
    ("program", "yaml"),
    [
        ({"rows": False}, "{allowed_rows: [2], max_rows: 2}"),
        ({"largest": 4}, "{max_rows: 4}"),
        ({}, "{allowed_rows: [1, 8], max_rows: 8}"),
    ],
)
def test_what_fits_is_loaded(tmp_path: Path, program: dict[str, Any], yaml: str) -> None:
    assert loaded(write(tmp_path, picture(**program), f"batching: {yaml}"))
