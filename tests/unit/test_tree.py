"""The repository keeps itself as its documents say."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = [
    path
    for folder in ("runtime/headrace", "kernels", "tests", "load_tests", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
SHIPPED = (ROOT / "runtime", ROOT / "kernels")
CUDA = [
    path
    for folder in ("kernels", "tests")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".cu", ".cuh", ".h")
]


def test_there_is_something_to_look_at() -> None:
    assert len(OURS) > 40


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_300_lines_and_relies_on_no_assert(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 300
    if any(path.is_relative_to(folder) for folder in SHIPPED):
        found = [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]
        assert not found, "python -O takes assert statements out"


@pytest.mark.parametrize("path", CUDA, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_cuda_has_at_most_300_lines(path: Path) -> None:
    assert path.read_text().count("\n") <= 300


def test_no_folder_of_the_root_is_a_package() -> None:
    # One would shadow a library of the same name for every process started there.
    assert not list(ROOT.glob("*/__init__.py"))


def test_every_package_says_what_it_is_for() -> None:
    for path in [file for folder in SHIPPED for file in folder.glob("*/**/__init__.py")]:
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_a_server_starts_without_what_is_heavy() -> None:
    # NumPy, too: how many threads it may have is set after this, and before models come.
    code = (
        "import sys, headrace, headrace.cli.commands, headrace.cli.checking, headrace.local\n"
        "print([name for name in ('numpy', 'onnxruntime', 'ray', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_kernels_can_be_imported_where_neither_cupy_nor_headrace_is() -> None:
    code = (
        "import sys, headrace_kernels.table\n"
        "print([name for name in ('cuda', 'cupy', 'headrace', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "kernels")},
    )
    assert done.stdout.strip() == "[]"
