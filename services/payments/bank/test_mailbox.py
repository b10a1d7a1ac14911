import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.payments.bank.cases import MemoryMailbox
from services.payments.bank.mailbox import DirectoryMailbox, Mailbox, NameTaken
from services.payments.bank.stream import MAX_BYTES

Deliver = Callable[[str, bytes], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With a folder around it that is this test's alone."""
    DirectoryMailbox(tmp_path / "bank")
    return tmp_path / "bank"


@pytest.fixture(params=["directory", "memory"])
def place(request: pytest.FixtureRequest, root: Path) -> tuple[Mailbox, Deliver]:
    """A mailbox, and how the bank leaves a file in it."""
    if request.param == "memory":
        memory = MemoryMailbox()
        return memory, memory.arrived.__setitem__
    return DirectoryMailbox(root), lambda name, content: write(root / "in" / name, content)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_file_is_left_once_and_another_of_its_name_never(place: tuple[Mailbox, Deliver]) -> None:
    mailbox, _ = place
    assert mailbox.put("a.xml", b"one") == "created"
    assert mailbox.put("a.xml", b"one") == "exists"
    with pytest.raises(NameTaken, match="other content"):
        mailbox.put("a.xml", b"two")
    assert mailbox.put("b.xml", b"two") == "created"


def test_what_arrived_is_read_in_order_until_it_is_accepted_or_refused(place: tuple[Mailbox, Deliver]) -> None:
    mailbox, deliver = place
    for name in ("c.xml", "a.xml", "b.xml"):
        deliver(name, name.encode())
    assert mailbox.incoming() == ["a.xml", "b.xml", "c.xml"]
    assert mailbox.read("b.xml") == b"b.xml"
    mailbox.accept("b.xml")
    mailbox.refuse("a.xml", "It is wrong.")
    assert mailbox.incoming() == ["c.xml"]
    mailbox.accept("b.xml")
    mailbox.refuse("a.xml", "It is wrong.")
    assert mailbox.incoming() == ["c.xml"]


def test_directories_are_those_an_officer_finds(root: Path) -> None:
    mailbox = DirectoryMailbox(root)
    mailbox.put("o.xml", b"o")
    for name in ("good.xml", "bad.xml"):
        write(root / "in" / name, name.encode())
    mailbox.accept("good.xml")
    mailbox.refuse("bad.xml", "The sum is 银 wrong.")
    assert files(root) == {
        "out/o.xml": b"o",
        "processed/good.xml": b"good.xml",
        "refused/bad.xml": b"bad.xml",
        "refused/bad.xml.reason.txt": "The sum is 银 wrong.\n".encode(),
    }


def test_what_is_not_complete_or_not_a_file_is_left_alone(root: Path) -> None:
    inside = root / "in"
    for name in ("a.xml.part", ".b.xml", "x" * 181, "tab\t.xml"):
        write(inside / name, b"")
    write(Path(os.fsdecode(os.fsencode(inside) + b"/\xff.xml")), b"")
    (inside / "folder").mkdir()
    (inside / "link.xml").symlink_to(root / "out")
    (inside / "secret.xml").symlink_to("/etc/hostname")
    write(inside / ("y" * 180), b"")
    write(inside / "回执.xml", b"")
    assert DirectoryMailbox(root).incoming() == ["y" * 180, "回执.xml"]


@pytest.mark.parametrize("name", ["", "../a", "a/b", "/a", ".a", "a.part", "a\n", "x" * 181])
def test_a_name_that_is_not_plain_is_refused(root: Path, name: str) -> None:
    mailbox = DirectoryMailbox(root)
    before = files(root.parent)
    for act in (lambda: mailbox.put(name, b""), lambda: mailbox.read(name), lambda: mailbox.accept(name)):
        with pytest.raises(ValueError, match="not a plain file name"):
            act()
    with pytest.raises(ValueError, match="not a plain file name"):
        mailbox.refuse(name, "s")
    assert files(root.parent) == before


def test_a_link_is_not_followed(root: Path) -> None:
    (root / "in" / "secret.xml").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic"):
        DirectoryMailbox(root).read("secret.xml")


def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_it(root: Path) -> None:
    with (root / "in" / "huge.xml").open("wb") as file:
        file.truncate(MAX_BYTES * 16)
    assert len(DirectoryMailbox(root).read("huge.xml")) == MAX_BYTES + 1


def test_a_name_used_again_keeps_both_files(root: Path) -> None:
    mailbox = DirectoryMailbox(root)
    for content in (b"first", b"second", b"first"):
        write(root / "in" / "a.xml", content)
        mailbox.accept("a.xml")
        write(root / "in" / "a.xml", content)
        mailbox.refuse("a.xml", content.decode())
    kept = files(root)
    assert sorted(kept.values()) == [b"first"] * 2 + [b"first\n"] + [b"second"] * 2 + [b"second\n"]
    assert all(kept[name.removesuffix(".reason.txt")] + b"\n" == kept[name] for name in kept if "reason" in name)


def test_a_banks_file_cannot_take_the_place_of_a_reason(root: Path) -> None:
    mailbox = DirectoryMailbox(root)
    write(root / "in" / "a.xml.reason.txt", b"the bank's")
    mailbox.refuse("a.xml.reason.txt", "Not XML.")
    write(root / "in" / "a.xml", b"a")
    mailbox.refuse("a.xml", "Wrong.")
    kept = files(root)
    assert kept["refused/a.xml.reason.txt"] == b"Wrong.\n"
    assert b"the bank's" in kept.values()


def ended_at_step(step: int, act: Callable[[], Any]) -> bool:
    """Whether a process doing `act` met its sudden end, at its `step`-th rename or sync."""
    child = os.fork()
    if not child:
        left = step

        def ending(done: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                nonlocal left
                left -= 1
                if not left:
                    os._exit(9)
                return done(*arguments)

            return call

        os.fsync, os.replace = ending(os.fsync), ending(os.replace)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("action", ["put", "accept", "refuse"])
def test_after_a_crash_anywhere_no_file_is_half_and_the_same_again_makes_it_whole(tmp_path: Path, action: str) -> None:
    content = b"x" * 200_000
    for step in range(1, 20):
        root = tmp_path / str(step)
        mailbox = DirectoryMailbox(root)
        if action != "put":
            write(root / "in" / "a.xml", content)
        acts: dict[str, Callable[[], Any]] = {
            "put": partial(mailbox.put, "a.xml", content),
            "accept": partial(mailbox.accept, "a.xml"),
            "refuse": partial(mailbox.refuse, "a.xml", "Why."),
        }
        act = acts[action]
        died = ended_at_step(step, act)
        seen = {name: found for name, found in files(root).items() if not Path(name).name.startswith(".")}
        assert all(found in (content, b"Why.\n") for found in seen.values())
        there = list(seen.values()).count(content)
        assert there == 1 or (there == 0 and action == "put" and died)
        act()
        kept = [name for name in files(root) if not Path(name).name.startswith(".")]
        assert (
            sorted(kept)
            == {
                "put": ["out/a.xml"],
                "accept": ["processed/a.xml"],
                "refuse": ["refused/a.xml", "refused/a.xml.reason.txt"],
            }[action]
        )
        assert mailbox.incoming() == []
        if not died:
            assert step > 3, "there were steps to die at"
            return
    raise AssertionError("the action never ended")
