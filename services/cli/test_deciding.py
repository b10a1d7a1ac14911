"""Enterprises that do not fit into memory: whatever is packed away, the decisions and rejects are the same bytes."""

import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.cli.decide import decide_lines
from services.cli.deciding import RejectedLine, gather
from services.cli.deciding_claims import UsedIds
from services.cli.deciding_store import EMPTY, Enterprises
from services.cli.test_app import relief
from services.cli.test_decide import A, B, assessed, paid, registered
from services.eligibility import packs
from services.simulator.upstream import MERGED_FILE, write_upstream

PACK = packs.named("xinjiang-2020")
ALL, ONE = 10**9, 1


def printed(lines: list[bytes], at_hand: int) -> tuple[bytes, list[RejectedLine]]:
    """What goes to standard output, and the rejected lines."""
    rejected: list[RejectedLine] = []
    decisions = decide_lines(lines, PACK, None, rejected.append, at_hand)
    return b"\n".join(map(msgspec.json.encode, decisions)), rejected


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    out = tmp_path_factory.mktemp("region")
    write_upstream(60, 11, out, group_by="enterprise", merged=True)
    return (out / MERGED_FILE).read_bytes().splitlines()


@pytest.mark.parametrize("at_hand", [ONE, 100, 1000])
def test_a_region_in_any_order_is_the_same_with_few_and_with_all_at_hand(region: list[bytes], at_hand: int) -> None:
    shuffled = random.Random(3).sample(region, len(region))
    for lines in (region, shuffled):
        assert printed(lines, at_hand) == printed(lines, ALL)


def test_facts_of_enterprises_in_turn_are_the_same_as_one_enterprise_after_another(tmp_path: Path) -> None:
    write_upstream(40, 12, tmp_path, corruption=None, group_by="enterprise", merged=True)
    grouped = (tmp_path / MERGED_FILE).read_bytes().splitlines()
    expected, rejected = printed(grouped, ALL)
    assert expected.count(b"\n") > 500
    assert rejected == []
    # All the first lines, then all the second lines, and so on.
    of_each: dict[str, list[bytes]] = {}
    for line in grouped:
        of_each.setdefault(msgspec.json.decode(line)["subject"], []).append(line)
    in_turn = [line for lines in zip_longest(*of_each.values()) for line in lines if line is not None]
    assert sorted(in_turn) == sorted(grouped) != in_turn
    assert printed(in_turn, 100) == (expected, [])


def test_only_so_many_records_stay_at_hand_and_the_rest_can_be_asked_for_again() -> None:
    enterprises = Enterprises(at_hand=100)
    for turn in range(3):
        for number in range(50):
            entry = enterprises.of(f"e{number:02d}")
            assert (len(entry.seen.claims), entry.records) == (turn, EMPTY + turn + 1)
            entry.seen.claims[turn.to_bytes(8)] = bytes(100)
            assert enterprises.held <= 100
    assert [uscc for uscc, _ in enterprises] == [f"e{number:02d}" for number in range(50)]
    assert len(enterprises) == 50
    enterprises.close()


def test_what_grew_moves_and_leaves_its_room_to_another() -> None:
    """Or a file in the order of time would fill the disk with what is no longer true."""
    enterprises, claims = Enterprises(at_hand=1), 200
    for number in range(20):
        for turn in range(claims):
            enterprises.of(f"e{number}").seen.claims[turn.to_bytes(8)] = bytes(8)
            enterprises.of("another")
    # 18 bytes per claim, in rooms of powers of two; what each moved through is there once, not twenty times.
    room = 4096
    assert claims * 18 < room
    assert 20 * claims * 18 < enterprises.packed_bytes < 20 * room + 2 * room
    enterprises.close()


def test_a_single_enterprise_larger_than_what_may_be_at_hand_stays() -> None:
    enterprises = Enterprises(at_hand=5)
    entries = {id(enterprises.of("e")) for _ in range(20)}
    assert len(entries) == 1
    assert enterprises.packed_bytes == 0


def test_used_ids_are_found_again_and_others_are_not() -> None:
    chance = random.Random(5)
    used = UsedIds()
    # One bucket, so that neighbours are searched.
    digests = [b"\x01\x02" + chance.randbytes(6) for _ in range(3000)]
    for digest in digests:
        assert digest not in used
        used.add(digest)
    assert all(digest in used for digest in digests)
    assert not any(b"\x01\x03" + digest[2:] in used for digest in digests)


def test_six_bytes_across_two_neighbours_are_not_an_id() -> None:
    used = UsedIds()
    used.add(b"\0\0abcdef")
    used.add(b"\0\0ghijkl")
    assert b"\0\0defghi" not in used
    used.add(b"\0\0defghi")
    assert b"\0\0defghi" in used


def test_an_id_of_another_enterprise_is_refused_also_when_both_were_packed_away() -> None:
    theirs = assessed(B, amount_fen=500)
    theirs["data"]["assessment_id"] = f"{A}-pension"
    told = [registered(A), assessed(A), registered(B), theirs, paid(A, 0), assessed(A, amount_fen=700, version=2)]
    lines = [msgspec.json.encode(one) for one in told]
    for at_hand in (ONE, ALL):
        output, rejected = printed(lines, at_hand)
        assert [(line.line, line.code) for line in rejected] == [(4, "VERSION_CONFLICT")]
        decided: list[dict[str, Any]] = [msgspec.json.decode(line) for line in output.splitlines()]
        assert [(d["uscc"], d["amount_fen"]) for d in decided] == [(A, 700)]


def test_a_file_that_ends_within_a_line_is_decided_up_to_it(region: list[bytes], tmp_path: Path) -> None:
    whole = b"\n".join(region[:200]) + b"\n"
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(whole + region[200][:100])
    done = relief("decide", "--facts", str(cut))
    output, rejected = printed(region[:200], ALL)
    assert done.returncode == 0
    assert done.stdout.encode() == output + b"\n"
    last = msgspec.json.decode(done.stderr.splitlines()[-1])
    assert (last["line"], last["code"]) == (201, "NOT_JSON")
    assert len(done.stderr.splitlines()) == len(rejected) + 1


def test_reading_that_fails_half_way_leaves_no_file_open(region: list[bytes]) -> None:
    def interrupted() -> Iterator[bytes]:
        yield from region[:300]
        raise OSError(5, "Input/output error")

    before = len(list(Path("/proc/self/fd").iterdir()))
    # The error keeps what it went through alive, so nothing is closed by itself.
    with pytest.raises(OSError, match="Input/output") as caught:
        gather(interrupted(), None, lambda _: None, ONE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert caught.value.__traceback__ is not None


def test_a_disk_without_room_is_told_in_a_sentence(region: list[bytes], tmp_path: Path) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_bytes(b"\n".join(region))
    script = f"""
import resource, signal
from services.cli.decide import decide_lines, packs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
list(decide_lines(open({str(facts)!r}, "rb"), packs.named("xinjiang-2020"), None, print, {ONE}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "CommandError: What the file tells cannot be kept in" in last
    assert "TMPDIR" in last


def test_the_benchmark_runs() -> None:
    command = [sys.executable, "-m", "bench.decide", "--enterprises", "20", "--ungrouped"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "exit code 0" in done.stdout
    assert "peak memory" in done.stdout
    assert all(f"  {stage} " in done.stdout for stage in ("decode", "accept", "take", "decide", "write"))
