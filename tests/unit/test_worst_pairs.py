"""The pairs of answers that are kept of shadows: which are told, and which are removed."""

import json
from pathlib import Path

from headrace.control.traffic import Shadow, Traffic
from headrace.control.wanted import Wanted
from headrace.control.worst import forget_others, pairs


def write(folder: Path, distance: float | None, unix_ms: int = 1) -> None:
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps({"distance": distance, "unix_ms": unix_ms}))


def test_the_furthest_are_told_first_and_what_is_no_whole_pair_is_not(tmp_path: Path) -> None:
    for name, distance, unix_ms in [("1", 0.5, 1), ("2", None, 1), ("30", 2.0, 9), ("4", 2.0, 8)]:
        write(tmp_path / name, distance, unix_ms)
    write(tmp_path / ".new", 3.0)
    (tmp_path / "5").mkdir()
    assert [Path(one["folder"]).name for one in pairs(tmp_path)] == ["2", "4", "30", "1"]
    assert pairs(tmp_path / "none") == []


def test_what_nobody_keeps_any_more_is_removed(tmp_path: Path) -> None:
    for name in ("a%5Fb@2", "a%5Fb@3", "gone@1"):
        write(tmp_path / name / "1", 1.0)
    (tmp_path / "mine").mkdir()
    shadows = (Shadow(2, 1, keep_worst=1), Shadow(3, 1))
    forget_others(tmp_path, {"a_b": Wanted("/a", {}, traffic=Traffic(shadows=shadows))})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a%5Fb@2", "mine"]
    forget_others(tmp_path / "none", {})
