"""Whether there is a GPU is asked of its driver, before anything is installed to run on it."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.kernels import gpu
from tests.kernels.peers import Peer

ROOT = Path(__file__).parents[2]


def driver(status: int, devices: int) -> Any:
    """Return what loads a driver that answers so."""

    def count(there: Any) -> int:
        there._obj.value = devices
        return 0

    def start(flags: int) -> int:
        return status

    start.__name__ = "cuInit"
    return lambda name: SimpleNamespace(cuInit=start, cuDeviceGetCount=count)


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        (driver(0, 1), None),
        (driver(0, 0), "the NVIDIA driver finds no device"),
        (driver(100, 0), "the NVIDIA driver finds no device: cuInit gives 100"),
    ],
)
def test_the_driver_is_asked(loaded: Any, said: str | None, monkeypatch: Any) -> None:
    monkeypatch.setattr(ctypes, "CDLL", loaded)
    assert gpu.missing() == said


@pytest.mark.parametrize("target", ["test-gpu", "bench-gpu"])
def test_without_a_gpu_nothing_is_installed(target: str, tmp_path: Path) -> None:
    why = gpu.missing()
    if why is None:
        pytest.skip("there is a GPU: it would be tested")
    venv = tmp_path / "venv"
    command = ["make", target, f"VENV={venv}", f"PYTHON={sys.executable} -I"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert made.returncode != 0
    assert why in made.stderr
    assert not venv.exists()


def test_a_peer_that_is_not_there_is_named() -> None:
    def make(*of: Any) -> Any:
        raise AssertionError

    assert Peer("numpy", "numpy", make).missing() is None
    for module in ("no_such_library", "no_such.library"):
        assert Peer(module, "a-package", make).missing() == "not installed (a-package)"
