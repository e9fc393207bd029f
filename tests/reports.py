"""Reports to a registry, as tests make them."""

from typing import Any

from headrace.registry.facts import Place
from headrace.registry.report import PNG, AliasMove, Kind, Report, Verdict

PLACE = Place("sqlite:////nowhere/mlflow.db", "sqlite:////nowhere/mlflow.db")
VERDICT = Verdict("promote", "p99 was 101 ms, and 110 were allowed", {"evidence": 31.5})


def report_of(kind: str = "metrics", step: int = 0, **changes: Any) -> Report:
    """Return a small report of photos/3, in rollout r1, of what its kind has."""
    made: dict[str, Any] = {
        "place": PLACE,
        "model": "photos",
        "version": 3,
        "kind": Kind(kind),
        "unix_ms": 1_700_000_000_000 + step,
        "rollout": "r1",
        "step": step,
        "tags": {"state": "candidate"} if kind == "state" else {},
        "metrics": {"candidate/p99_ms": 100.0 + step} if kind == "metrics" else {},
        "verdict": VERDICT if kind == "verdict" else None,
    }
    return Report(**made | changes)


def whole(step: int = 7, **changes: Any) -> Report:
    """Return a report that has everything that one may have."""
    everything: dict[str, Any] = {
        "tags": {"state": "serving", "traffic_percent": "100"},
        "metrics": {"candidate/p99_ms": 101.0, "baseline/error_share": 0.01},
        "picture": PNG + b"rest",
        "aliases": (AliasMove("champion", 2),),
    }
    return report_of("verdict", **{"step": step} | everything | changes)
