"""The load tests that are written for a GPU, whole, on the CPU with a small network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.ports import free_ports

BARE = Path(__file__).parents[2] / "load_tests" / "bare"
SMALL = "--device cpu --depth 18 --rows 2 --request-rows 1 --in-flight 4".split()

needs_h2load = pytest.mark.skipif(not shutil.which("h2load"), reason="nghttp2's h2load loads it")


def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, BARE / script, *arguments], capture_output=True, text=True, timeout=240
    )


def said_by(script: str, *arguments: str) -> str:
    done = run(script, *SMALL, "--port", str(free_ports()), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_h2load
def test_what_is_served_is_compared_with_a_bare_loop() -> None:
    said = said_by("resnet.py", "--seconds", "1", "--rounds", "1")
    found = re.search(r"bare loop (\d+) images/s; served (\d+) images/s: (\d\.\d\d)\n", said)
    assert found is not None, said
    assert int(found[1]) > 0
    assert int(found[2]) > 0
    assert f"median of the ratios: {found[3]}" in said


@needs_h2load
def test_idle_time_is_told_by_its_causes(tmp_path: Path) -> None:
    picture = tmp_path / "timeline.png"
    said = said_by("idle.py", "--seconds", "3", "--picture", str(picture))
    causes = ("computes", "copy in", "copy out", "launch", "nothing asked")
    percent = {
        cause: float(found[1])
        for cause in causes
        if (found := re.search(rf"^{cause} +(\d+\.\d)%$", said, re.MULTILINE))
    }
    assert tuple(percent) == causes, said
    assert sum(percent.values()) == pytest.approx(100, abs=0.5)
    # It is a loaded server, and the lanes are other threads than the one that traces.
    assert percent["computes"] > 20
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("script", ["resnet.py", "idle.py"])
def test_no_gpu_is_an_error_and_not_a_figure(script: str) -> None:
    done = run(script)
    assert done.returncode == 2
    assert "there is no GPU here" in done.stdout
