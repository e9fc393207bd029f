"""One blow of each kind to a whole server on Ray; `make chaos` deals a hundred."""

import json
from pathlib import Path

from tests.chaos.attack import attack
from tests.chaos.picture import draw
from tests.chaos.report import table, write
from tests.chaos.victims import SHORT, plan
from tests.ports import free_ports

SEED = 1


def test_every_blow_is_survived_in_time_and_every_call_is_counted_once(tmp_path: Path) -> None:
    strikes = plan(SEED, len(SHORT), SHORT)
    outcome = attack(tmp_path / "state", free_ports(), SEED, strikes, print)
    assert not outcome.faults, table(outcome)
    assert len(outcome.records) == len(SHORT)
    # How many there are between two blows to a gateway is up to the machine.
    compared = [record.compared for record in outcome.records]
    assert min(compared) > 0, table(outcome)
    assert sum(compared) > 100 * len(SHORT), table(outcome)
    assert [record.gap for record in outcome.records] == [one.ends_gateway for one in strikes]
    assert len(outcome.endings) == 3
    draw(outcome, tmp_path / "chaos.png")
    assert (tmp_path / "chaos.png").read_bytes().startswith(b"\x89PNG")
    write(outcome, tmp_path / "chaos.json")
    assert len(json.loads((tmp_path / "chaos.json").read_text())["strikes"]) == len(SHORT)
