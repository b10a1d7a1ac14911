"""What a scalar may look like on the wire, at its limits and just past them."""

import json
from typing import Any

import pytest
from pydantic import ValidationError, create_model

from shared.contracts import registry
from shared.contracts.applications import Contact
from shared.contracts.envelope import Data
from shared.contracts.facts import Sealed
from shared.contracts.tax import Payee
from shared.contracts.vocabulary import AMOUNT_MAX_FEN, Amount, Day, Name, Period, Text, Uscc, Version

from .examples import EXAMPLES, load

EVENT = next(e.event for e in load(EXAMPLES) if e.kind == "cn.tax.contribution.assessed.v1")
HUGE = "9" * 200
CONTROLS = ["\x00", "\n", "\t", "\x1b", "\x7f", "\x85", "\u2028"]


def read(annotation: Any, text: str) -> Any:
    """JSON text as a value of that type in one of our models."""
    make: Any = create_model
    holder = make("Holder", __base__=Data, value=(annotation, ...))
    return holder.model_validate_json(f'{{"value": {text}}}').value


def refuses(annotation: Any, text: str) -> bool:
    """Whether JSON text is refused there."""
    try:
        read(annotation, text)
    except ValidationError:
        return True
    return False


def event_with(**attributes: Any) -> str:
    return json.dumps(EVENT | attributes)


@pytest.mark.parametrize("day", ["2020-02-29", "1900-01-01", "2199-12-31"])
def test_a_date_is_a_day_of_the_calendar(day: str) -> None:
    assert read(Day, f'"{day}"').isoformat() == day


@pytest.mark.parametrize(
    "text",
    [
        *('"2020-02-01T00:00:00"', '"2020-02-01T00:00:00Z"', '"2020-2-1"', '"20200201"', '"2020/02/01"', '"2020-W05"'),
        *('"0"', '"86400"', '"1580515200"', "1580515200", "18293", "18293.0", "null", "true", '""'),
        *('"2020-02-30"', '"2019-02-29"', '"2020-13-01"', '" 2020-02-01"', '"2020-02-01 "', '"2020-02-01\\n"'),
        *('"２０２０-02-01"', '"٢٠٢٠-02-01"', '"1899-12-31"', '"2200-01-01"', '"0000-01-01"'),
    ],
)
def test_nothing_else_is_a_date(text: str) -> None:
    assert refuses(Day, text)


@pytest.mark.parametrize(
    "time", ["2020-02-01T08:00:00+08:00", "2020-02-01 00:00:00Z", "2020-02-01t00:00:00.123456789012z"]
)
def test_a_time_has_a_date_seconds_and_an_offset(time: str) -> None:
    assert registry.decoder("upstream.tax.v1").validate_json(event_with(time=time))


@pytest.mark.parametrize(
    "time",
    [
        *("2020-02-01T08:00:00", "2020-02-01T08:00Z", "2020-02-01", "2020-02-01_08:00:00Z"),
        *("1580486400", "1580486400000", "1580486400.5", "0", 1580486400, 1580486400.5, True, None, "", "now"),
        *("2020-02-01T08:00:00+0800", "2020-02-01T08:00:00+08", "2020-02-01T08:00:00,5Z", "2020-02-01T24:00:00Z"),
        *("2020-02-01T08:00:00−08:00", "2020-02-01T08:00:00+24:00", "２０２０-02-01T08:00:00Z"),
        # Out of the calendar in another time zone.
        *("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"),
    ],
)
def test_nothing_else_is_a_time(time: Any) -> None:
    with pytest.raises(ValidationError):
        registry.decoder("upstream.tax.v1").validate_json(event_with(time=time))


@pytest.mark.parametrize("text", ["1.0", '"1"', "true", "1e3", "1E3", "-1", str(AMOUNT_MAX_FEN + 1), HUGE, '"１"'])
def test_an_amount_is_an_integer_within_its_range(text: str) -> None:
    assert refuses(Amount, text)


def test_an_amount_may_be_nothing_and_may_be_the_limit() -> None:
    assert [read(Amount, text) for text in ("0", str(AMOUNT_MAX_FEN))] == [0, AMOUNT_MAX_FEN]


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "null", '"1"', "true", str(2**31), HUGE])
def test_a_version_is_an_integer_from_one(text: str) -> None:
    assert refuses(Version, text)


@pytest.mark.parametrize(
    "text", ["2020-2", "2020-00", "2020-13", "1899-12", "2100-01", "20２０-02", "2020-0２", "2020-02\n"]
)
def test_a_period_is_a_month_in_ascii_digits(text: str) -> None:
    assert refuses(Period, json.dumps(text))
    assert not refuses(Period, '"2020-12"')


@pytest.mark.parametrize("control", CONTROLS)
def test_a_name_holds_no_control_character(control: str) -> None:
    assert refuses(Name, json.dumps(f"a{control}b"))
    assert refuses(Name, json.dumps(control))


@pytest.mark.parametrize("attribute", ["id", "source", "subject"])
@pytest.mark.parametrize("control", CONTROLS)
def test_nor_does_an_attribute_of_the_envelope(attribute: str, control: str) -> None:
    with pytest.raises(ValidationError):
        registry.decoder("upstream.tax.v1").validate_json(event_with(**{attribute: f"a{control}"}))


def test_a_name_has_at_least_one_and_at_most_256_characters() -> None:
    assert not refuses(Name, json.dumps("喀" * 256))
    assert refuses(Name, json.dumps("喀" * 257))
    assert refuses(Name, '""')


def test_a_text_may_have_lines_and_tabs_and_no_other_control() -> None:
    assert not refuses(Text, json.dumps("一\r\n\t二"))
    assert all(refuses(Text, json.dumps(f"a{c}")) for c in CONTROLS if c not in "\t\n")
    assert refuses(Text, json.dumps("a" * 4097))


@pytest.mark.parametrize("name", ["traceparent", "datacontenttype"])
def test_an_attribute_beside_the_fact_has_a_limit_too(name: str) -> None:
    with pytest.raises(ValidationError):
        registry.decoder("upstream.tax.v1").validate_json(event_with(**{name: "application/json;" + "a" * 1000}))


@pytest.mark.parametrize(
    "kind", ["text/json", "application/cloudevents+json", "application/json-evil", "application/jso"]
)
def test_the_data_is_json(kind: str) -> None:
    with pytest.raises(ValidationError):
        registry.decoder("upstream.tax.v1").validate_json(event_with(datacontenttype=kind))


@pytest.mark.parametrize(
    "code", ["91652901MA00000171", "91652901ma00000170", "９1652901MA00000170", "91652901MA0000017", ""]
)
def test_a_uscc_is_18_characters_that_check(code: str) -> None:
    assert refuses(Uscc, json.dumps(code))
    assert not refuses(Uscc, '"91652901MA00000170"')


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bank_code", "１０２８９１００００１７"),
        ("bank_code", "10289100001"),
        ("bank_code", "102891000017\n"),
        ("account_number", "６２２２"),
        ("account_number", ""),
        ("account_number", "1" * 35),
        ("account_name", "a\x00b"),
    ],
)
def test_a_payee_can_go_into_a_bank_file(field: str, value: str) -> None:
    payee = {"account_name": "示例", "account_number": "6222-17", "bank_code": "102891000017"}
    assert not refuses(Payee, json.dumps(payee))
    assert refuses(Payee, json.dumps(payee | {field: value}))


@pytest.mark.parametrize("sealed", ["....", "a.b.c.d", "a.b.c.d.e.f", "a..c.d.", "a..c.d.e\n", "a..c.d.é"])
def test_a_sealed_value_has_five_parts(sealed: str) -> None:
    assert refuses(Sealed, json.dumps(sealed))
    assert not refuses(Sealed, '"a..c.d.e"')


def test_a_contact_is_a_line_or_a_few_named_lines() -> None:
    assert not refuses(Contact, json.dumps({str(n): "x" for n in range(16)}))
    assert refuses(Contact, json.dumps({str(n): "x" for n in range(17)}))
    assert refuses(Contact, json.dumps({"a": {"b": "c"}}))
    assert refuses(Contact, '""')
    assert refuses(Contact, "{}")


def nested(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


@pytest.mark.parametrize(
    "details",
    [
        *(f'{{"a": {nested(8)}}}', f'{{"a": {nested(190)}}}', '{"a": 1e400}', '{"a": NaN}', '{"a": "\\u0000"}'),
        *('{"a": ["\\u001b[31m"]}', '{"a": {"\\u0000": 1}}', '{"": 1}', json.dumps({"a": [0] * 1000})),
    ],
)
def test_details_are_json_that_every_store_can_keep(details: str) -> None:
    need = next(e.event for e in load(EXAMPLES) if e.kind == "relief.need.registered.v1")
    text = json.dumps(need | {"data": need["data"] | {"details": "@"}}).replace('"@"', details)
    with pytest.raises(ValidationError):
        registry.decoder("intake.applications.v1").validate_json(text)


def test_details_may_be_nested_to_their_limit() -> None:
    need = next(e.event for e in load(EXAMPLES) if e.kind == "relief.need.registered.v1")
    details = {"a": json.loads(nested(6)), "空": {}, "b": [None, True, 1.5]}
    event = need | {"data": need["data"] | {"details": details}}
    assert registry.decoder("intake.applications.v1").validate_json(json.dumps(event)).data.details == details
