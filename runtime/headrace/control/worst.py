"""The pairs of answers that gateways have kept of shadows, in files."""

import contextlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from headrace.control.wanted import Wanted


def pairs(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of each pair that is kept in ``folder``, the furthest apart first.

    A distance of None is larger than any other: there was nothing to compare with.
    """
    found: list[dict[str, Any]] = []
    for about in folder.glob("[0-9]*/about.json"):
        # The gateway may remove one meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.append({**json.loads(about.read_bytes()), "folder": str(about.parent)})
    return sorted(found, key=_nearness)


def _nearness(pair: Mapping[str, Any]) -> tuple[float, int]:
    distance = pair["distance"]
    return -math.inf if distance is None else -distance, pair["unix_ms"]


def forget_others(folder: Path, wanted: Mapping[str, Wanted]) -> None:
    """Remove pairs of shadows that keep none any more: their gateway was gone before it did."""
    kept = {
        f"{model}@{shadow.version}"
        for model, one in wanted.items()
        for shadow in one.traffic.shadows
        if shadow.keep_worst
    }
    for one in folder.glob("*@*"):
        if unquote(one.name) not in kept:
            shutil.rmtree(one, ignore_errors=True)
