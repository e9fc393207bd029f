"""A test that asks for `run` is run with each implementation that has its module's KERNEL."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.kernels.implementations import IMPLEMENTATIONS, Implementation, Run
from tests.kernels.shim.machine import Shim

CAT = Path(__file__).parents[2] / "examples" / "photos" / "cat.jpg"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `run` what has the kernel that its module is about."""
    for fixture in {"run", "run_in_order"}.intersection(metafunc.fixturenames):
        those = [
            pytest.param(one, id=one.name, marks=[pytest.mark.gpu] * (one.name == "device"))
            for one in IMPLEMENTATIONS
            if one.has(metafunc.module.KERNEL) and not (one.reordered and fixture == "run_in_order")
        ]
        metafunc.parametrize(fixture, those, indirect=True, scope="session")


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a kernel by its name, on NumPy's arrays."""
    return _run(request.param)


@pytest.fixture(scope="session")
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
