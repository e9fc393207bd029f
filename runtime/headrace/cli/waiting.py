"""A wait for a version, which shows what goes on meanwhile."""

import time
from typing import Any, Final

from headrace.cli.console_client import get
from headrace.cli.terminal import tell

#: Between two looks.
LOOK_S: Final = 0.2


def until_ready(url: str, model: str, version: int) -> bool:
    """Wait until a version is ready, a line for each of its states; False when it has failed."""
    said = ""
    while True:
        state, reason = _standing(get(url, "/api/status"), model, version)
        if (line := f"{model}/{version}: {state}: {reason}") != said and state:
            said = line
            tell(line)
        if state in ("ready", "failed"):
            return state == "ready"
        time.sleep(LOOK_S)  # noqa: TID251 - another process's doing, told to nobody


def _standing(status: Any, model: str, version: int) -> tuple[str, str]:
    for one in status["models"]:
        for row in one["versions"]:
            if (one["name"], row["version"]) == (model, version):
                return row["state"], row["reason"]
    return "", ""
