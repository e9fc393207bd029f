"""Compiled kernels on disk."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headrace_kernels import compiler, sources, store
from headrace_kernels.launch import Kernel

KERNEL = Kernel("images/interpolate.cu", "interpolate", (("CHANNELS", 3),))


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compiling is another test's; this is what was compiled, by architecture."""
    made: list[int] = []

    def compiled(kernel: Kernel, architecture: int) -> compiler.Binary:
        made.append(architecture)
        return compiler.Binary(f"code {len(made)}".encode(), "")

    monkeypatch.setattr(compiler, "compiled", compiled)
    return made


def test_a_kernel_is_compiled_once(tmp_path: Path, compilations: list[int]) -> None:
    first = store.binary(KERNEL, 90, tmp_path / "new")
    assert store.binary(KERNEL, 90, tmp_path / "new") == first
    assert compilations == [90]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_whatever_changes_a_binary_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        store.key(KERNEL, 90),
        store.key(KERNEL, 80),
        store.key(replace(KERNEL, defines=(("CHANNELS", 1),)), 90),
        store.key(replace(KERNEL, fused_multiply_add=True), 90),
        store.key(replace(KERNEL, source="images/antialias.cu"), 90),
    }
    monkeypatch.setattr(compiler, "version", lambda: (99, 0))
    keys.add(store.key(KERNEL, 90))
    monkeypatch.setattr(sources, "text", lambda name: "another header")
    keys.add(store.key(KERNEL, 90))
    assert len(keys) == 7


@pytest.mark.parametrize("damage", [b"", b"x", b"half of it is lost", None])
def test_a_damaged_file_is_compiled_anew(
    damage: bytes | None, tmp_path: Path, compilations: list[int]
) -> None:
    store.binary(KERNEL, 90, tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?" if damage is None else damage)
    assert store.binary(KERNEL, 90, tmp_path) == b"code 2"
    assert store.binary(KERNEL, 90, tmp_path) == b"code 2"
    assert compilations == [90, 90]


def test_a_disk_that_cannot_be_written_costs_a_compilation(
    tmp_path: Path, compilations: list[int]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert store.binary(KERNEL, 90, blocked) == b"code 1"
    assert store.binary(KERNEL, 90, blocked) == b"code 2"


def test_a_folder_that_others_can_write_is_not_used(
    tmp_path: Path, compilations: list[int]
) -> None:
    store.binary(KERNEL, 90, tmp_path)
    tmp_path.chmod(0o777)
    assert store.binary(KERNEL, 90, tmp_path) == b"code 2"
    assert len(list(tmp_path.iterdir())) == 1
    tmp_path.chmod(0o755)
    assert store.binary(KERNEL, 90, tmp_path) == b"code 1"


def test_only_so_many_are_kept_and_the_least_lately_used_goes(
    tmp_path: Path, compilations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_FILES", 3)
    for at, architecture in enumerate((80, 86, 90)):
        store.binary(KERNEL, architecture, tmp_path)
        os.utime(tmp_path / f"{store.key(KERNEL, architecture)}.cubin", (at, at))
    store.binary(KERNEL, 80, tmp_path)  # read again
    store.binary(KERNEL, 100, tmp_path)
    assert {file.stem for file in tmp_path.iterdir()} == {
        store.key(KERNEL, architecture) for architecture in (80, 90, 100)
    }


def test_many_that_compile_at_once_leave_one_whole_file(
    tmp_path: Path, compilations: list[int]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.binary(KERNEL, 90, tmp_path), range(32)))
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".cubin"
    assert store.binary(KERNEL, 90, tmp_path).startswith(b"code ")


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.folder() == tmp_path / "headrace" / "kernels"
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".cache" / "headrace" / "kernels"
    # XDG says that a relative one is to be ignored: it would be another folder in each.
    for relative in ("", "cache", "./cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert store.folder() == own
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.folder() == own
