"""What several gateways count at this moment, as if one had. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Of what is known of a version: calls and rows that callers wait for.
SUMS: Final = ("waiting", "waiting_rows", "in_flight", "in_flight_rows")


def summed(stats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the statistics of the last, who serves, and in its versions what others have left."""
    found = dict(stats[-1]) if stats else {}
    models = {name: dict(one["versions"]) for name, one in found.get("models", {}).items()}
    for one in stats[:-1]:
        for name, model in one["models"].items():
            rows = models.setdefault(name, {})
            for version, row in model["versions"].items():
                rows[version] = _both(rows[version], row) if version in rows else row
    return found | {"models": {name: {"versions": rows} for name, rows in models.items()}}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    sums = {name: one[name] + other[name] for name in SUMS}
    # Who was asked for it last may be either.
    return {**one, **sums, "idle_ms": min(one["idle_ms"], other["idle_ms"])}
