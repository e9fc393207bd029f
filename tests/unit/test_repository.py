import errno
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.errors import ConfigInvalid, HeadraceError, RepositoryInvalid
from headrace.repository.digest import digest
from headrace.repository.folder import find
from headrace.repository.private import forget, import_private, package_name


def test_versions_are_found_in_the_order_of_their_numbers(write_model: Callable[..., Path]) -> None:
    for name, version in (("b", "10"), ("b", "9"), ("a", "1")):
        models = write_model(name, version=version)
    (models / "data").mkdir()
    (models / "__pycache__").mkdir()
    (models / "b" / "notes").mkdir()
    (models / "README.md").write_text("no folder")
    assert [one.label for one in find(models)] == ["a/1", "b/9", "b/10"]


def test_one_models_folder_is_a_repository_too(write_model: Callable[..., Path]) -> None:
    models = write_model("a", yaml="batching: {max_rows: 3}")
    (version,) = find(models / "a")
    assert (version.label, version.backend) == ("a/1", "python")
    assert version.config.batching.max_rows == 3
    assert version.folder == models / "a" / "1"


def test_an_exported_program_declares_its_tensors_in_yaml(tmp_path: Path) -> None:
    folder = tmp_path / "net" / "1"
    folder.mkdir(parents=True)
    (folder / "net.pt2").write_bytes(b"")
    with pytest.raises(ConfigInvalid, match="does not name its tensors"):
        find(tmp_path)
    (folder.parent / "model.yaml").write_text(
        "inputs: [{name: x, datatype: FP32, shape: [4]}]\n"
        "outputs: [{name: y, datatype: FP32, shape: [4]}]\n"
    )
    assert [one.backend for one in find(tmp_path)] == ["torch"]


def test_tensors_declared_twice_are_an_error(write_model: Callable[..., Path]) -> None:
    models = write_model(yaml="inputs: [{name: x, datatype: FP32, shape: [4]}]")
    with pytest.raises(ConfigInvalid, match="the class owns them, take them out here"):
        find(models)


def test_a_model_yaml_counts_where_tritons_file_is_beside(
    write_model: Callable[..., Path],
) -> None:
    models = write_model("a")
    (models / "a" / "config.pbtxt").write_text("max_batch_size: 4")
    (found,) = find(models)
    assert (found.backend, found.config.batching.max_rows) == ("triton_python", 4)
    (models / "a" / "model.yaml").touch()
    (found,) = find(models)
    assert (found.backend, found.config.batching.max_rows) == ("python", 64)


@pytest.mark.parametrize(("folder", "searched"), [("models", 0), ("models/a", 1)])
def test_a_folder_that_cannot_be_read_is_named(
    write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, folder: str, searched: int
) -> None:
    models = write_model("a")
    shut, listing = models.parent / folder, Path.iterdir
    calls: list[Path] = []

    def closed(path: Path) -> Iterator[Path]:
        calls.append(path)
        if path == shut and calls.count(path) > searched:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(HeadraceError) as raised:
        find(models)
    assert str(raised.value) == (
        f"{shut} cannot be read (Permission denied): let this user read it"
    )


def test_errors_of_all_models_are_told_at_once(write_model: Callable[..., Path]) -> None:
    write_model("a", yaml="batchng: {}")
    write_model("b", yaml="traffic: {}")
    models = write_model("c")
    (models / "c" / "2").mkdir()
    with pytest.raises(ConfigInvalid) as raised:
        find(models)
    text = str(raised.value)
    assert "a/model.yaml:1:1" in text
    assert "b/model.yaml:1:1" in text
    assert "c/2 holds none of model.py, model.onnx, net.pt2" in text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("", "holds no model: expected MODEL/1/model.py"),
        ("a b/1/model.py", "'a b' cannot be written in URLs"),
        ("a/model.yaml", "has no version: expected a folder"),
        ("a/01/model.py", "holds no model"),
        ("a/0/model.py", "holds no model"),
    ],
)
def test_a_folder_that_is_no_repository_is_explained(tmp_path: Path, make: str, said: str) -> None:
    if make:
        file = tmp_path / make
        file.parent.mkdir(parents=True)
        file.write_text("")
    with pytest.raises((RepositoryInvalid, ConfigInvalid), match=said):
        find(tmp_path)


def test_a_path_that_is_no_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RepositoryInvalid, match="is no folder"):
        find(tmp_path / "nothing")


def write_version(folder: Path, number: int) -> Path:
    (folder / "pack" / "deep").mkdir(parents=True)
    files = {
        "model.py": "import helper, pack.deep.core as core, os.path\nfrom pack import thing\n"
        "from helper import *\n\ndef late():\n    import other\n"
        "    return other.N, helper.N, core.N, thing.N, N\n",
        "helper.py": f"import pack.deep.core\nN = {number}\nassert pack.deep.core.N == N\n",
        "other.py": f"N = {number}\n",
        "pack/__init__.py": "from .thing import N\n",
        "pack/thing.py": f"import helper\nN = {number}\n",
        "pack/deep/__init__.py": "",
        "pack/deep/core.py": f"N = {number}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_two_versions_have_helpers_of_the_same_name(tmp_path: Path) -> None:
    first = import_private(write_version(tmp_path / "1", 1), "model")
    second = import_private(write_version(tmp_path / "2", 2), "model")
    # `late` imports when it is called, long after the other version was loaded.
    assert first.late() == (1, 1, 1, 1, 1)
    assert second.late() == (2, 2, 2, 2, 2)
    assert not {"helper", "other", "pack", "model"} & set(sys.modules)
    assert str(tmp_path / "1") not in sys.path


def test_what_is_not_in_the_folder_comes_from_where_it_always_does(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import json, numpy.linalg\nfrom os import path\n")
    (tmp_path / "json").mkdir()
    module = import_private(tmp_path, "model")
    assert module.json is sys.modules["json"]
    assert module.numpy.linalg is sys.modules["numpy.linalg"]
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module_anywhere'"):
        import_private(tmp_path, "broken")


def test_loading_again_reads_the_files_again_and_forgetting_leaves_nothing(tmp_path: Path) -> None:
    finders = len(sys.meta_path)
    (tmp_path / "model.py").write_text("N = 1\n")
    assert import_private(tmp_path, "model").N == 1
    (tmp_path / "model.py").write_text("N = 20\n")
    assert import_private(tmp_path, "model").N == 20
    assert len(sys.meta_path) == finders + 1
    forget(tmp_path)
    assert len(sys.meta_path) == finders
    assert not [name for name in sys.modules if name.startswith(package_name(tmp_path))]


def test_a_digest_is_of_all_files_and_their_names(tmp_path: Path) -> None:
    def of(**files: str) -> str:
        folder = tmp_path / secrets.token_hex(4)
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return digest(folder, threads=2)

    one = of(a="1", b__c="2")
    assert one == of(b__c="2", a="1")
    assert len({one, of(a="1", b__c="3"), of(a="1", c="2"), of(a="1"), of(a="12", b__c="")}) == 5
    cached = of(a="1", b__c="2")
    folder = tmp_path / "with"
    (folder / "b" / "__pycache__").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "b" / "c").write_text("2")
    (folder / "b" / "__pycache__" / "c.pyc").write_text("3")
    assert digest(folder) == cached
    with pytest.raises(OSError, match="No such file"):
        digest(tmp_path / "nothing")
