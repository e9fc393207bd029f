"""Environments that versions have to themselves: what may be asked for, and what is made of it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests import wheels
from tests.unit.test_serve_decisions import version

from headrace.config.schema import ModelConfig
from headrace.environments import environment
from headrace.environments.requirements import check, constraints, key
from headrace.errors import RepositoryInvalid, RequirementsInvalid
from headrace.repository import told
from headrace.repository.equipped import equipped
from headrace.repository.folder import Version
from headrace.serve import plan, worker


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("numpy==2.4.6", ""),
        ("--no-index", ""),
        ("--find-links wheels", ""),
        ("# -r base.txt", ""),
        ("./numpy-2.4.6-py3-none-any.whl", ""),
        ("-r base.txt", "-r"),
        ("--pre -r base.txt", "-r"),
        ("-rbase.txt", "-rbase.txt"),
        ("  --requirement=base.txt", "--requirement"),
        ("-c pins.txt", "-c"),
        ("--constraint pins.txt", "--constraint"),
        ("-e .", "-e"),
        ("--editable .", "--editable"),
    ],
)
def test_a_file_says_by_itself_what_is_installed(line: str, option: str) -> None:
    text = f"scipy\n{line}\n"
    if option:
        with pytest.raises(RequirementsInvalid, match=f"r.txt:2: {option} names another file"):
            check(text, Path("r.txt"))
    else:
        check(text, Path("r.txt"))


def test_an_environment_is_another_where_anything_that_makes_it_is() -> None:
    told: dict[str, Any] = {
        "text": "a\n",
        "place": "/m/1",
        "installed": {"ray": "2"},
        "python": (3, 11, 7),
    }
    told["prefix"] = "/v"
    others = [
        told | {"text": "b\n"},
        told | {"installed": {"ray": "3"}},
        told | {"python": (3, 12, 0)},
        told | {"prefix": "/w"},
    ]
    assert len({key(**one) for one in (told, *others)}) == 5
    assert key(**told) == key(**(told | {"place": "/m/2"})), "who asks for the same shares it"


@pytest.mark.parametrize(
    "line",
    ["./a.whl", "a-1.0-py3-none-any.whl", "/w/a.tar.gz", "--find-links w", "-f w", "a @ file:///a"],
)
def test_what_lies_in_a_folder_is_that_folders(line: str) -> None:
    def keys(text: str) -> set[str]:
        return {key(text, place, {}, (3, 11), "/v") for place in ("/m/1", "/m/2")}

    assert len(keys(f"numpy\n{line}\n")) == 2
    assert len(keys(f"numpy # {line}\n")) == 1


def test_pip_is_held_to_what_the_process_and_its_giver_of_work_share() -> None:
    assert constraints({"ray": "2.60.0", "numpy": "2"}) == "ray==2.60.0\n"


@pytest.mark.parametrize("place", ["/requirements.txt", "../requirements.txt", "a/../../b", ""])
def test_a_requirements_file_is_below_the_model(place: str) -> None:
    with pytest.raises(ValidationError):
        ModelConfig(environment=place)


def interpreter(folder: Path, text: str, said: list[str] | None = None) -> Path:
    file = folder / "requirements.txt"
    file.write_text(text)
    say = (lambda line: None) if said is None else said.append
    return environment.interpreter(file, folder / "state", say)


def run(python: Path, program: str) -> str:
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_a_file_asks_for_is_there_and_else_what_headrace_runs_with(tmp_path: Path) -> None:
    wheels.write(tmp_path / "wheels")
    said: list[str] = []
    # Paths are relative to the file's folder.
    one = interpreter(tmp_path, wheels.requirements(Path("wheels"), "1.0"), said)
    assert run(one, f"import {wheels.MODULE} as it; print(it.NUMBER)") == "1.0"
    program = "import sys, numpy, typer; print(sys.version_info[:3] + (numpy.__version__,))"
    assert run(one, program) == run(Path(sys.executable), program)
    assert "installing its packages, for the first time" in said[0]
    assert f"Successfully installed {wheels.NAME}-1.0" in said[-1]
    again: list[str] = []
    assert interpreter(tmp_path, wheels.requirements(Path("wheels"), "1.0"), again) == one
    assert again == []
    # What was cut short is begun anew.
    made = one.parent.parent.with_suffix(".made")
    made.unlink()
    (one.parent.parent / "half").touch()
    assert interpreter(tmp_path, wheels.requirements(Path("wheels"), "1.0"), again) == one
    assert "for the first time" in again[0]
    assert not (one.parent.parent / "half").exists()


def test_what_cannot_be_installed_is_told_in_pips_words_and_leaves_no_mark(tmp_path: Path) -> None:
    wheels.write(tmp_path / "wheels")
    with pytest.raises(RequirementsInvalid, match="pip said last") as refused:
        interpreter(tmp_path, wheels.requirements(tmp_path / "wheels", "3.0"))
    assert f"No matching distribution found for {wheels.NAME}==3.0" in str(refused.value)
    assert not list((tmp_path / "state" / "environments").glob("*.made"))


@pytest.mark.parametrize(("content", "why"), [(b"\xff", "not UTF-8"), (b"#" * 1048577, "1048576")])
def test_files_that_are_none_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_bytes(content)
    with pytest.raises(RequirementsInvalid, match=why):
        environment.interpreter(file, tmp_path, lambda line: None)


def test_the_longest_unused_go_and_never_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "MOST", 3)
    kept = tmp_path / "state" / "environments"
    kept.mkdir(parents=True)
    for at in range(4):
        (kept / f"e{at}").mkdir()
        (kept / f"e{at}.made").touch()
        os.utime(kept / f"e{at}.made", (at, at))
    with (kept / "e0.made").open() as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        new = interpreter(tmp_path, "--no-index\n").parent.parent.name
    assert {one.stem for one in kept.glob("*.made")} == {"e0", "e3", new}
    assert not (kept / "e1").exists()


def of(folder: Path, **config: Any) -> Version:
    place = folder / "hello" / "1"
    place.mkdir(parents=True)
    return Version("hello", 1, place, "python", ModelConfig(**config))


def test_a_version_has_its_own_file_before_its_models(tmp_path: Path) -> None:
    one = of(tmp_path, environment="requirements.txt")
    with pytest.raises(RepositoryInvalid, match=r"neither .*1/requirements.txt nor .* is there"):
        equipped(one, tmp_path)
    (one.home / "requirements.txt").write_text("--no-index\n")
    models = equipped(one, tmp_path).python
    (one.folder / "requirements.txt").write_text("--no-index\n# its own\n")
    its = equipped(one, tmp_path)
    assert None not in (models, its.python)
    assert models != its.python
    assert told.from_json(told.as_json(its)) == its


def test_the_engine_of_one_process_has_no_environments(tmp_path: Path) -> None:
    with pytest.raises(RepositoryInvalid, match="runs all versions in one process"):
        equipped(of(tmp_path, environment="requirements.txt"), tmp_path, "local")
    plain = of(tmp_path / "plain")
    assert equipped(plain, tmp_path, "local") is plain


def test_versions_share_a_process_whose_packages_are_the_same() -> None:
    def shared(number: int, name: str | None) -> Version:
        python = None if name is None else Path(f"/s/environments/{name}/bin/python")
        one = version("m", number, isolation="shared")
        return Version(one.model, number, one.folder, one.backend, one.config, python=python)

    found = plan.grouped([shared(1, None), shared(2, "k1"), shared(3, "k2"), shared(4, "k1")])
    assert {group.label: len(group.versions) for group in found} == {
        "shared": 1,
        "shared-environment-k1": 2,
        "shared-environment-k2": 1,
    }


@pytest.mark.parametrize(
    ("given", "started"),
    [
        (["w.py", "--a=1"], ["py", "w.py", "--a=1"]),
        (["w.py", "--language=PYTHON", "--a=1"], ["py", "w.py", "--a=1"]),
        (
            ["w.py", worker.CONTEXT + '{"py_executable": "/e/bin/python"}', "--language=PYTHON"],
            ["/e/bin/python", "w.py"],
        ),
        (["w.py", worker.CONTEXT + "{}"], ["py", "w.py"]),
        (
            ["-I", "-S", "agent.py", "127.0.0.2", "7"],
            ["py", "-I", "-S", "agent.py", "127.0.0.2", "7"],
        ),
    ],
)
def test_workers_are_started_by_the_interpreter_that_they_are_to_have(
    given: list[str], started: list[str]
) -> None:
    assert worker.command(given, "py") == started
