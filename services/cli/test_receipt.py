"""`relief receipt` from a real log, and `relief verify` of what it wrote, as a user types them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

from deploy.local.stack import Stack
from services.cli.installation import run
from services.cli.receipt import register
from services.eligibility import packs
from services.eligibility.cases import enterprise
from services.eligibility.fact_cases import Partition, assessed, pack, registered
from services.eligibility.handlers import EligibilityFold
from services.eligibility.receipt_cases import Log
from shared.streaming.records import Record

app = typer.Typer()
register(app)


def relief(*words: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given)


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    log = Log()
    log.add(registered)
    log.add(assessed, 123_456)
    path = tmp_path / "receipt.json"
    path.write_bytes(log.receipt())
    return path


def test_a_receipt_is_identical_and_says_of_what(receipt: Path) -> None:
    for done in (relief("verify", receipt), relief("verify", "-", given=receipt.read_bytes())):
        assert done.exit_code == 0
        first, second = done.stdout.splitlines()
        assert first == "identical"
        assert second.startswith("exemption pension/2020-02 of ")
        assert second.endswith("revision 1: granted, 1,234.56 CNY, by xinjiang-2020 1 and 2 facts.")
    assert json.loads(relief("verify", receipt, "--json").stdout) == {"identical": True, "differences": []}


def test_what_differs_is_told_exactly(receipt: Path) -> None:
    written = receipt.read_bytes()
    receipt.write_bytes(written.replace(b'"amount_fen":123456', b'"amount_fen":123457'))
    done = relief("verify", receipt)
    assert done.exit_code == 1
    digest, delta, amount = done.stdout.splitlines()
    assert digest.startswith("sha256: the receipt says ")
    assert delta == "delta_fen: the receipt says 123456; recomputed it is 123457"
    assert amount == "amount_fen: the receipt says 123457; recomputed it is 123456"
    found = relief("verify", receipt, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["differences"][2] == {"what": "amount_fen", "told": 123457, "found": 123456}


def test_what_is_no_receipt_gets_one_sentence(receipt: Path, tmp_path: Path) -> None:
    receipt.write_bytes(receipt.read_bytes()[:-100])
    for path, sentence in (
        (receipt, "This is no receipt: it is not JSON, or it was cut off or damaged."),
        (tmp_path / "none", f"There is no file {tmp_path / 'none'}."),
        (tmp_path, f"{tmp_path} is a directory; name the receipt's file."),
    ):
        done = relief("verify", path)
        assert (done.exit_code, done.stdout, done.stderr.splitlines()) == (1, "", [sentence])


def test_words_that_name_no_decision_get_a_sentence() -> None:
    assert "is no id of a decision" in relief("receipt", "17").stderr
    assert "is no unified social credit code" in relief("receipt", "0" * 32, "--uscc", "17").stderr


@pytest.mark.integration
def test_the_receipt_of_an_older_revision_is_made_from_the_log(stack: Stack, tmp_path: Path) -> None:
    # Of this test alone: the servers' logs are everybody's.
    uscc = enterprise(4_711_147)
    decisions = run(_published(stack, uscc))
    state = ("--state", stack.state)
    for number, (amount, words) in enumerate(((1000, ()), (400, ("--uscc", uscc)))):
        identity = json.loads(decisions[number].value or b"")["id"]
        path = tmp_path / f"{number}.json"
        made = relief("receipt", identity, "--out", path, *words, *state)
        assert (made.exit_code, made.stdout) == (0, ""), made.stderr
        assert made.stderr == f"The receipt is in {path}; check it with `relief verify {path}`.\n"
        assert relief("receipt", identity, *state).stdout_bytes == path.read_bytes()
        told = json.loads(path.read_bytes())
        assert told["decision"]["event"]["data"]["amount_fen"] == amount
        assert told["decision"]["log"]["offset"] == decisions[number].offset
        assert relief("verify", path).stdout.startswith("identical\n")
    nowhere = relief("receipt", "0" * 32, "--uscc", uscc, *state)
    assert nowhere.exit_code == 1
    assert f"There is no decision {'0' * 32} where those of {uscc} are" in nowhere.stderr


async def _published(stack: Stack, uscc: str) -> list[Record]:
    """An assessment and its correction as facts, and the decisions on them, all on the servers' logs."""
    partition = Partition(EligibilityFold(packs.by_hash))
    decisions = []
    producer = AIOKafkaProducer(bootstrap_servers=stack.environment()["RELIEF_KAFKA_BOOTSTRAP"])
    await producer.start()
    try:
        facts = (pack(), registered(1, uscc=uscc), assessed(1000, 2, uscc=uscc), assessed(400, 3, 2, uscc=uscc))
        for fact in facts:
            sent = await producer.send_and_wait(fact.topic, fact.value, fact.key, partition=fact.partition)
            for made in partition.take(replace(fact, offset=sent.offset)):
                sent = await producer.send_and_wait(made.topic, made.value, made.key, partition=made.partition)
                decisions.append(Record(made.topic, made.partition, sent.offset, made.key, made.value))
    finally:
        await producer.stop()
    return decisions
