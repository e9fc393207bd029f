"""A gateway's counts of the versions that are judged, as the core tells them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.rollout.latency import EDGES_NS


@dataclass
class CountingGateway:
    """Counts what a test says; lines that change begin a count anew."""

    began: int = 1
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    since: int = 0
    model: str = "m"
    #: For which it counts; another one's count begins anew.
    rollout: int = 1
    #: Of which users are the units, if any.
    users_at_step: int | None = None

    def follow(self, judged: Mapping[int, tuple[int, ...]]) -> None:
        """Count these versions, by these lines, and no others."""
        kept = {one: row for one, row in self.rows.items() if one in judged}
        for version, lines in judged.items():
            mine = kept.get(version, {})
            by = {"slow_ns": list(lines), "rollout": self.rollout}
            if self.users_at_step is not None:
                by["users_at_step"] = self.users_at_step
            if {name: mine.get(name) for name in by} != by:
                self.since += 1
                slow = [{"count": 0, "bad": 0.0} for _ in lines]
                kept[version] = {
                    "model": self.model, "version": version,
                    "since": self.since, **by,
                    "runs": {"count": 0, "bad": 0.0}, "slow": slow, "latency": [],
                    "unserved": {"count": 0, "bad": 0.0}, "refused": {"count": 0, "bad": 0.0},
                    "agreement": {"count": 0, "bad": 0.0},
                }  # fmt: skip
        self.rows = kept

    def count(
        self, version: int, runs: int, *, bad: float = 0.0, slow: float = 0.0, ms: float = 10.0
    ) -> None:
        """Count runs of one request each: how many failed, how many were slow, and all took so."""
        row = self.rows.get(version)
        if row is None:
            return
        row["runs"] = {"count": row["runs"]["count"] + runs, "bad": row["runs"]["bad"] + bad}
        row["slow"] = [
            {"count": one["count"] + runs, "bad": one["bad"] + slow} for one in row["slow"]
        ]
        place = sum(edge <= ms * 1e6 for edge in EDGES_NS)
        counts = dict(row["latency"])
        counts[place] = counts.get(place, 0) + runs
        row["latency"] = sorted(map(list, counts.items()))

    def told(self) -> str:
        """Return what it has counted, as JSON."""
        return json.dumps({"began": self.began, "versions": list(self.rows.values())})
