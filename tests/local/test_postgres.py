"""What is wanted in PostgreSQL: as in SQLite, and one decides, whoever else begins."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.ports import free_ports

from headrace.config.rollouts import AccuracyWithin, Judge
from headrace.control.label_units import Judged
from headrace.control.store import Change, Note, Store
from headrace.control.wanted import Wanted
from headrace.errors import Deposed, StateInvalid
from headrace.feedback.joining import Count, Label, Outcome
from headrace.feedback.prediction import Prediction, Top, written
from headrace.rollout.bets import Units

ONE = Wanted("/m", {1: 0})
TWO = Wanted("/m", {1: 0, 2: 0})
NOTE = Note("me@here", "load 2", "it is better")
SECRET = "s3cret-of-nobody"
BINARIES = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
WITHOUT = "" if find_spec("pg8000") else "pg8000 is not installed"
WITHOUT = WITHOUT or ("" if BINARIES else "PostgreSQL's initdb is not in /usr/lib/postgresql")


@pytest.fixture
def postgres() -> Iterator[str]:
    """A server of its own, by which only who has the password is let in."""
    initdb = BINARIES[-1]
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="headrace-postgres-") as made:
        place = Path(made)
        folder, password = place / "data", place / "password"
        folder.mkdir()
        password.write_text(SECRET)
        if user is not None:
            place.chmod(0o755)
            shutil.chown(folder, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(initdb.with_name(program)), "-D", str(folder), *arguments]
            subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

        run("initdb", "-U", "me", "-A", "scram-sha-256", "--pwfile", str(password), "-N")
        port = free_ports()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+pg8000://me:{SECRET}@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.mark.skipif(bool(WITHOUT), reason=WITHOUT)
def test_postgresql_keeps_what_is_wanted_and_lets_one_decide(postgres: str) -> None:
    with pytest.raises(StateInvalid) as error:
        Store(postgres.replace(SECRET, "wrong"))
    assert "password authentication failed" in str(error.value)
    assert "wrong" not in str(error.value)
    stores: list[Store] = []
    together = [
        threading.Thread(target=lambda: stores.append(Store(postgres, lambda: 1.0)))
        for _ in range(3)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    last, *before = sorted(stores, key=lambda one: -one.term)
    assert [one.term for one in (last, *before)] == [3, 2, 1], "each has a term of its own"
    assert [one.number for one in last.put(Change("m", None, ONE, NOTE))] == [1]
    assert [one.number for one in last.put(Change("m", ONE, TWO, NOTE))] == [2]
    for one in before:
        with pytest.raises(Deposed):
            one.put(Change("m", TWO, ONE, NOTE))
    assert before[0].models() == {"m": TWO}
    (newest, _) = last.journal(10)
    assert (newest.what, newest.before, newest.after) == ("load 2", ONE, TWO)
    assert len({one.labels.key for one in stores}) == 1, "all gateways sign with one key"
    made = Prediction("m", 1, 0, 720, (1 << 64) - 1, (Top(1, 0.5),))
    sent = [Label(written(made, last.labels.key), (1.0,), scores={"clicks": 2.0})]
    judged = {"m": Judged(1, 0.0, Judge(accuracy=AccuracyWithin()))}
    for want in (Outcome.JOINED, Outcome.TWICE):
        assert [one.outcome for one in last.labels.join(sent, {"m"}, judged)] == [want]
    assert last.labels.counted("m", 1)[1][""]["class:5"] == Count(1, 0.5, 1)
    assert last.labels.units("m", 1) == {1: {"accuracy": Units(1.0, 0.0)}}
    with pytest.raises(Deposed):
        before[0].labels.join(sent, {"m"}, judged)
    for store in stores:
        store.close()
