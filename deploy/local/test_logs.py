from pathlib import Path

import pytest

from deploy.local.logs import BLOCK, Follower, tail


@pytest.mark.parametrize(("lines", "expected"), [(0, []), (2, ["c", "d"]), (9, ["a", "b", "c", "d"])])
def test_the_last_lines_of_a_log(tmp_path: Path, lines: int, expected: list[str]) -> None:
    log = tmp_path / "log"
    log.write_text("a\nb\nc\nd\n")
    assert tail(log, lines) == expected


def test_a_line_longer_than_a_block_stays_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\n" + "x" * (2 * BLOCK) + "\nlast\n")
    assert tail(log, 2) == ["x" * (2 * BLOCK), "last"]


def test_only_what_was_written_since_a_start_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier start\nthis start\n")
    assert tail(log, 5, since=len("an earlier start\n")) == ["this start"]
    assert tail(log, 5, since=10_000) == ["an earlier start", "this start"], "the log was rotated"
    assert tail(tmp_path / "none", 5) == []


def test_a_follower_gives_whole_lines_once_and_survives_rotation(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    follower = Follower(log)
    assert follower.new_lines() == []
    with log.open("a") as file:
        file.write("one\ntw")
    assert follower.new_lines() == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert follower.new_lines() == ["two"]
    log.write_text("new\n")
    assert follower.new_lines() == ["new"]
