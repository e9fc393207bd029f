"""A test that asks for `run` is run with each implementation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.kernels.implementations import IMPLEMENTATIONS, Implementation, Run
from tests.kernels.shim.machine import Shim

CAT = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"


def _parameter(one: Implementation) -> Any:
    marks = [pytest.mark.gpu] if one.name == "device" else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.fixture(scope="session", params=[_parameter(one) for one in IMPLEMENTATIONS])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a kernel by its name, on NumPy's arrays."""
    return _run(request.param)


@pytest.fixture(
    scope="session", params=[_parameter(one) for one in IMPLEMENTATIONS if not one.reordered]
)
def run_in_order(request: pytest.FixtureRequest) -> Run:
    """Runs a kernel likewise, beside others' work, which knows no order of threads."""
    return _run(request.param)


def _run(implementation: Implementation) -> Run:
    why = implementation.missing()
    if why:
        pytest.skip(why)
    return implementation.run


@pytest.fixture
def shim() -> Shim:
    return Shim()


@pytest.fixture(scope="session")
def photos() -> dict[str, NDArray[np.uint8]]:
    """Two real photos, RGB."""
    from skimage import data

    found = {"rocket": np.asarray(data.rocket())}
    with Image.open(CAT) as cat:
        found["cat"] = np.asarray(cat.convert("RGB"))
    return found
