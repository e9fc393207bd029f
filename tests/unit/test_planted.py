"""The table of planted bugs fits the code."""

from pathlib import Path

import pytest
from tests.planted.bugs import ROOT, Bug
from tests.planted.table import TABLE


@pytest.mark.parametrize("bug", TABLE, ids=lambda bug: bug.name)
def test_every_planted_bug_is_an_edit_of_the_code_as_it_is(bug: Bug, tmp_path: Path) -> None:
    copy = tmp_path / bug.file
    copy.parent.mkdir(parents=True)
    copy.write_bytes((ROOT / bug.file).read_bytes())
    bug.plant(tmp_path)
    assert bug.new in copy.read_text()
