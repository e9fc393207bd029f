import io
import json
import logging
import sys
import threading
import time

import pytest

from headrace.execution.voices import (
    MOST_BEGUN,
    MOST_CHARACTERS,
    MOST_TEXT,
    Line,
    Voice,
    bounded,
    captured,
    line,
    speaking,
)
from headrace.serve.sink import LINE_BYTES


def heard(lines: list[Line]) -> list[str]:
    return [f"{one.speaker} {one.stream} {one.text}" for one in lines]


def test_what_is_printed_becomes_lines_of_who_printed_it() -> None:
    lines: list[Line] = []
    with captured(lines.append):
        print("starting")
        with speaking("photos/1"):
            print("a", end="")
            print("b\nc")
            print("oh", file=sys.stderr)
        print("done")
    assert heard(lines) == [
        "headrace out starting",
        "photos/1 out ab",
        "photos/1 out c",
        "photos/1 err oh",
        "headrace out done",
    ]


def test_the_streams_are_given_back_and_what_was_begun_is_not_lost() -> None:
    lines: list[Line] = []
    before = sys.stdout, sys.stderr
    with captured(lines.append):
        sys.stdout.write("no end")
    assert (sys.stdout, sys.stderr) == before
    assert heard(lines) == ["headrace out no end"]


def test_threads_do_not_tear_each_others_lines() -> None:
    lines: list[Line] = []

    def speak(label: str) -> None:
        with speaking(label):
            for _ in range(50):
                print("one ", end="")
                print("line")

    with captured(lines.append, alone="only/1"):
        threads = [threading.Thread(target=speak, args=(f"m/{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A thread that a model started itself.
        other = threading.Thread(target=print, args=("hello",))
        other.start()
        other.join()
    assert {one.text for one in lines} == {"one line", "hello"}
    assert sum(one.speaker == "m/3" for one in lines) == 50
    assert lines[-1].speaker == "only/1"


def test_a_progress_bar_is_kept_as_it_ended_and_an_endless_line_is_cut() -> None:
    lines: list[Line] = []
    voice = Voice("out", io.StringIO(), lines.append)
    for percent in range(100):
        voice.write(f"\r{percent} %")
    voice.write("\r100 %\nx" + "y" * 2 * MOST_CHARACTERS)
    voice.finish()
    assert [len(one.text) for one in lines[1:]] == [MOST_CHARACTERS, MOST_CHARACTERS, 1]
    assert lines[0].text == "100 %"
    assert not voice.isatty()
    assert voice.writable()


def test_an_endless_line_costs_time_by_its_length() -> None:
    sizes: list[int] = []
    voice = Voice("out", io.StringIO(), lambda one: sizes.append(len(one.text)))
    began = time.process_time()
    voice.write("p" * (64 << 20))
    # Where each cut copies what is left, it is far more.
    assert time.process_time() - began < 3
    voice.finish()
    assert sizes == [MOST_CHARACTERS] * ((64 << 20) // MOST_CHARACTERS)


def test_a_models_logger_is_heard_with_its_level_and_nobody_elses() -> None:
    lines: list[Line] = []
    with captured(lines.append):
        logging.getLogger("headrace.model.photos.1").info("loaded %s", 3)
        logging.getLogger("headrace.model.a.b.2").warning("odd")
        logging.getLogger("headrace.model.photos.1").debug("too much")
    assert heard(lines) == ["photos/1 log INFO loaded 3", "a.b/2 log WARNING odd"]


def test_a_wrong_format_string_costs_that_line_only_and_says_where_it_is() -> None:
    lines: list[Line] = []
    with captured(lines.append):
        logging.getLogger("headrace.model.photos.1").info("%d rows", "x")
    (one,) = lines
    assert one.speaker == "photos/1"
    assert one.text.startswith("INFO [cannot be formatted: TypeError: %d format")
    assert f"{__file__}:" in one.text


def test_lines_that_their_threads_never_end_are_shown_and_not_gathered() -> None:
    lines: list[Line] = []
    voice = Voice("out", io.StringIO(), lines.append)
    for number in range(MOST_BEGUN + 2):
        with speaking(f"m/{number}"):
            voice.write("no end")
    assert heard(lines) == ["m/0 out no end", "m/1 out no end"]
    voice.finish()
    assert len(lines) == MOST_BEGUN + 2


@pytest.mark.parametrize("letter", ["x", "\n", "é", "\ud83d", "\U0001f600"])
def test_a_line_is_an_event_whole_however_long_its_text(letter: str) -> None:
    text = line("photos/1", "err", "begin" + letter * 2_000_000 + "end").text
    assert text.startswith("begin")
    assert text.endswith("end")
    assert text.encode().decode() == text
    as_event = json.dumps({"event": "line", "line": Line(1, "photos/1", "err", text).facts()})
    assert len(as_event) < 16 * LINE_BYTES


def test_text_keeps_its_begin_and_more_of_its_end() -> None:
    assert bounded("x" * MOST_TEXT) == "x" * MOST_TEXT
    assert bounded("abcdefghij", most=8) == "ab\n[… 2 characters …]\nefghij"
    assert bounded("half \ud83d") == "half \\ud83d"
