import io
import json
import logging
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import structlog
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from shared.observability.logging import configure
from shared.observability.tracing import follow_trace

ACCOUNT = "6222020200112233445"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


class Payee(BaseModel):
    account_number: int


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    former = root.handlers[:], root.level
    stream = io.StringIO()
    configure("intake", "intake-1", "info", stream)
    yield stream
    root.handlers[:], root.level = former
    structlog.reset_defaults()


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_has_the_fields_everyone_searches_for(output: io.StringIO) -> None:
    trace = follow_trace(None)
    structlog.get_logger("x").info("batch committed", topic="relief.facts.v1", records=3, day=date(2020, 2, 1))
    (line,) = lines(output)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "service": "intake",
        "instance": "intake-1",
        "event": "batch committed",
        "trace_id": trace,
        "topic": "relief.facts.v1",
        "records": 3,
        "day": "2020-02-01",
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "faststream", "aiokafka.consumer", "somebody.else"])
def test_lines_of_libraries_come_out_the_same_way(output: io.StringIO, name: str) -> None:
    logging.getLogger(name).warning("took %d seconds", 3)
    assert [(line["event"], line["level"], line["service"]) for line in lines(output)] == [
        ("took 3 seconds", "warning", "intake")
    ]


def test_a_broker_without_a_logger_stays_silent_and_faststream_has_no_handler_of_its_own(output: io.StringIO) -> None:
    KafkaBroker("127.0.0.1:1", logger=None)
    assert not logging.getLogger("faststream").handlers
    assert lines(output) == []


def test_lines_below_the_level_are_left_out(output: io.StringIO) -> None:
    structlog.get_logger("x").debug("not this")
    logging.getLogger("x").debug("nor this")
    assert lines(output) == []


@pytest.mark.parametrize("key", ["payee", "account_name", "account_number", "contact", "token", "Authorization"])
def test_personal_fields_are_redacted_at_every_depth(output: io.StringIO, key: str) -> None:
    secret = {"a": ACCOUNT, "b": "王某"}
    structlog.get_logger("x").info("taken", **{key: secret}, data={"inner": [{key: secret}]})
    assert ACCOUNT not in output.getvalue()
    assert "王某" not in output.getvalue()
    assert lines(output)[0]["data"] == {"inner": [{key: "[redacted]"}]}


def test_accounts_and_tokens_in_text_are_redacted_and_codes_and_offsets_stay(output: io.StringIO) -> None:
    logging.getLogger("x").warning("paid %s with Bearer %s at offset %d", ACCOUNT, TOKEN, 12_345_678_901)
    structlog.get_logger("x").warning("sealed", note=f"to {TOKEN}..x", uscc="914201000123456789")
    first, second = lines(output)
    assert first["event"] == "paid [redacted] with Bearer [redacted] at offset 12345678901"
    assert second["note"] == "to [redacted]"
    assert second["uscc"] == "914201000123456789"


def test_an_exception_is_one_line_with_types_and_places_and_without_its_inputs(output: io.StringIO) -> None:
    try:
        try:
            Payee.model_validate({"account_number": "王某 " + ACCOUNT})
        except ValueError as cause:
            raise RuntimeError("duplicate key\nDETAIL:  Key (payee)=(王某) exists") from cause
    except RuntimeError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("y").exception("failed")
    for line in lines(output):
        assert [link["type"] for link in line["exception"]] == ["RuntimeError", "ValidationError"]
        assert line["exception"][1]["message"] == "Payee: account_number: int_parsing"
        assert "test_logging.py" in line["exception"][0]["at"][-1]
    assert len(lines(output)) == 2
    assert "王某" not in output.getvalue()
    assert ACCOUNT not in output.getvalue()


def test_an_object_is_told_by_its_kind_and_a_deep_or_cyclic_one_ends(output: io.StringIO) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    deep: dict[str, Any] = {"account_number": ACCOUNT}
    for _ in range(8):
        deep = {"inner": deep}
    payment = Payee(account_number=int(ACCOUNT))
    structlog.get_logger("x").info("odd", payment=payment, loop=loop, deep=deep, raw=b"\xff")
    (line,) = lines(output)
    assert (line["payment"], line["raw"]) == ("<Payee>", "<bytes>")
    assert ACCOUNT not in output.getvalue()


def test_a_newline_cannot_forge_a_line(output: io.StringIO) -> None:
    structlog.get_logger("x").info("one\n{}")
    assert len(output.getvalue().splitlines()) == 1


def test_configuring_twice_writes_once(output: io.StringIO) -> None:
    configure("intake", "intake-1", "info", output)
    structlog.get_logger("x").info("once")
    assert len(lines(output)) == 1


def test_an_unknown_level_is_told() -> None:
    with pytest.raises(ValueError, match="loud is unknown"):
        configure("intake", "1", "loud")
