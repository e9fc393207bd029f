"""A wait for a version, which shows what goes on meanwhile."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from headrace.cli.console_client import follow, get
from headrace.cli.terminal import tell
from headrace.errors import HeadraceError, Unreachable


def tell_quarantined(loaded: Mapping[str, Any]) -> None:
    """Say of a version that is being loaded why it gets no traffic, where that is so."""
    if why := loaded.get("quarantined"):  # a server of before has none
        label = f"{loaded['model']}/{loaded['version']}"
        how = f"`headrace rollout release {label}` lets it have traffic"
        tell(f"{label} gets no traffic: it is {why}; {how}")


def until_ready(url: str, model: str, version: int) -> bool:
    """Wait until a version is ready and has what traffic it is to have; False when it has failed.

    A line for each of its states.

    Raises:
        HeadraceError: somebody unloaded it meanwhile.
    """
    said = ""
    for kind, facts in follow(url):
        if kind != "begin" and facts["model"] != model:
            continue
        asked = f"/api/versions?loaded=1&model={quote(model)}"
        rows = get(url, asked)["versions"]
        row = next((one for one in rows if one["version"] == version), None)
        if row is None or not row["wanted"]:
            raise HeadraceError(f"{model}/{version} is wanted no more: `headrace journal` says why")
        if (line := f"{model}/{version}: {row['state']}: {row['reason']}") != said:
            said = line
            tell(line)
        # One that swaps has its traffic a moment after it is ready, by an entry of the journal.
        if row["state"] == "failed":
            return False
        if row["state"] == "ready" and not row["coming_percent"]:
            get(url, f"{asked}&moved=1")  # whoever asks gateways next finds it so
            return True
    raise Unreachable(f"{url} tells no more of {model}/{version}")
