"""A tag that says nothing true any more is taken away, and no tag of somebody else's."""

from pathlib import Path

import pytest
from tests.registry.test_reporting import at, registered
from tests.reports import report_of

from headrace.registry.delivering import deliver
from headrace.registry.report import as_json

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_tag_is_taken_away_and_told_twice_it_is_gone_the_same(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = registered(uri, (tmp_path / "photos").as_uri())
    client.set_model_version_tag("photos", "3", "traffic_percent", "theirs")
    began = at(uri, report_of("state", tags={"state": "candidate", "traffic_percent": "25"}))
    ended = at(uri, report_of("state", tags={"state": "stopped"}, untagged=("traffic_percent",)))
    told = [as_json(one) for one in (began, ended, ended)]
    outcomes = deliver(began.place, told, tries=0, files=tmp_path.as_uri())
    assert [one["refused"] for one in outcomes] == [""] * 3
    tags = client.get_model_version("photos", "3").tags
    assert tags == {"headrace.state": "stopped", "traffic_percent": "theirs"}
