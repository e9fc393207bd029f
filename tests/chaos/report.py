"""What was seen, as a table for people and as JSON for programs."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median

from tests.chaos.attack import Outcome
from tests.chaos.campaign import Record
from tests.chaos.ledger import CUT


def table(outcome: Outcome) -> str:
    """Return one row for each kind of strike, in Markdown."""
    kinds: dict[str, list[Record]] = {}
    for record in outcome.records:
        kinds.setdefault(record.strike, []).append(record)
    rows = [
        "| strike | times | silence s, median | longest | whole again s, median | longest "
        "| errors told a strike | cut a strike | faults |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_row(kind, records) for kind, records in sorted(kinds.items())),
    ]
    compared = sum(record.compared for record in _last_of_lives(outcome.records))
    before, after = outcome.machine
    rows += [
        "",
        f"Seed {outcome.seed}, {len(outcome.records)} strikes, {len(outcome.calls)} calls; "
        f"{compared} calls were compared with the scrape of the gateway that answered them; "
        f"load average {before:.1f} before, {after:.1f} after.",
        *(f"{one.how}: over after {one.took_s:.2f} s." for one in outcome.endings),
        *(f"FAULT {fault}" for fault in outcome.faults),
    ]
    return "\n".join(rows)


def _row(kind: str, records: list[Record]) -> str:
    silences = [record.worst_s for record in records]
    wholes = [record.whole_s for record in records]
    told = _outcomes(records, str.isdigit)
    cut = _outcomes(records, CUT.__eq__)
    cells = [
        kind,
        str(len(records)),
        f"{median(silences):.2f}",
        f"{max(silences):.2f}",
        f"{median(wholes):.1f}",
        f"{max(wholes):.1f}",
        f"{told / len(records):.1f}",
        f"{cut / len(records):.1f}",
        str(sum(len(record.faults) for record in records)),
    ]
    return f"| {' | '.join(cells)} |"


def _outcomes(records: Iterable[Record], of: Callable[[str], bool]) -> int:
    counts = (count for record in records for count in record.outcomes.items())
    return sum(count for what, count in counts if of(what.split()[1]))


def _last_of_lives(records: list[Record]) -> list[Record]:
    """The last comparison of each gateway's life, which covers all of it."""
    pairs = zip(records, [*records[1:], None], strict=True)
    return [one for one, after in pairs if after is None or after.gap]


def write(outcome: Outcome, path: Path) -> None:
    """Write all of it; calls as columns, times from the begin."""
    rows = [
        [one.model, one.protocol, one.outcome, one.began - outcome.began, one.ended - one.began]
        for one in outcome.calls
    ]
    facts = {
        "seed": outcome.seed,
        "load_average": outcome.machine,
        "strikes": [asdict(record) for record in outcome.records],
        "endings": [asdict(ending) for ending in outcome.endings],
        "faults": outcome.faults,
        "calls": {"columns": ["model", "protocol", "outcome", "began_s", "took_s"], "rows": rows},
    }
    path.write_text(json.dumps(facts) + "\n")
