"""`relief trace`: one enterprise's whole story, from its facts to its postings."""

from typing import Any

import typer
from rich.table import Table

from services.cli.holdover_story import print_holdovers
from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation, run
from services.cli.log import read
from services.cli.terminal import CommandError, bar, out, print_json, sentence_on_failure
from shared.contracts.registry import decoder
from shared.contracts.topics import FACTS, topics
from shared.money import yuan
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import partition_of
from shared.uscc import is_valid


def register(app: typer.Typer) -> None:
    app.command("trace")(trace)


@sentence_on_failure
def trace(uscc: str, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Print an enterprise's facts, decisions with reasons, holdovers, money and postings."""
    if not is_valid(uscc):
        raise CommandError(f"{uscc} is no unified social credit code: 18 characters, the last a check character.")
    found = installation(state)
    with bar(f"reading the facts of {uscc}"):
        facts = run(_facts(found.kafka, uscc))
    enterprise = found.get("eligibility", f"/v1/enterprises/{uscc}")
    if enterprise is None and not facts:
        raise CommandError(f"Nothing is known of {uscc}. Rejected records are in `relief.rejected.v1`.")
    money = found.get("payments", f"/v1/enterprises/{uscc}/payments")
    story = {
        "uscc": uscc,
        "facts": facts,
        "eligibility": enterprise,
        "money": money,
        "postings": _postings(found, uscc),
        "holdovers": found.get("holdover", "/v1/books", uscc=uscc)["enterprises"][0],
    }
    if as_json:
        print_json(story)
    else:
        _print(story)


async def _facts(kafka: KafkaAccess, uscc: str) -> list[dict[str, Any]]:
    """The enterprise's facts in log order, each business version once; personal data stays sealed and is left out."""
    key = uscc.encode()
    adapter = decoder(FACTS)
    facts, seen = [], set()
    async for record in read(kafka, FACTS, [partition_of(key, topics()[FACTS].partitions)]):
        if record.key != key:
            continue
        event = adapter.validate_json(record.value or b"")
        if (event.source, event.id) in seen:
            continue
        seen.add((event.source, event.id))
        hidden = {"origin", "uscc", "payee", "payee_sealed", "payee_digest", "contact", "contact_sealed"}
        data = event.data.model_dump(mode="json", exclude=hidden)
        facts.append({"time": event.time.isoformat(), "type": event.type, "id": event.id, "data": data})
    return facts


def _postings(found: Installation, uscc: str) -> list[dict[str, Any]]:
    postings: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = found.get("ledger", f"/v1/enterprises/{uscc}/postings", after=str(after))
        postings += page["postings"]
        after = page["next_after"]
    return postings


def _print(story: dict[str, Any]) -> None:
    out.print(f"Enterprise {story['uscc']}", style="bold")
    table = Table("when", "fact", "what", title=f"{len(story['facts'])} facts")
    for fact in story["facts"]:
        what = ", ".join(f"{name} {value}" for name, value in fact["data"].items() if value is not None)
        table.add_row(fact["time"][:10], fact["type"].removeprefix("cn.").removesuffix(".v1"), what)
    out.print(table)
    enterprise = story["eligibility"] or {"decisions": []}
    table = Table("measure", "key", "outcome", "CNY", "why", title=f"{len(enterprise['decisions'])} decisions")
    for decision in enterprise["decisions"]:
        why = "\n".join(f"{reason['code']}: {reason['text']['en']}" for reason in decision["reasons"])
        table.add_row(decision["measure"], decision["key"], decision["outcome"], yuan(decision["amount_fen"]), why)
    out.print(table)
    print_holdovers(story["holdovers"])
    table = Table("booked", "event", "debit", "credit", "CNY", title=f"{len(story['postings'])} postings")
    for posting in story["postings"]:
        event = posting["type"].removeprefix("relief.").removesuffix(".v1")
        table.add_row(posting["booked_on"], event, posting["debit"], posting["credit"], yuan(posting["amount_fen"]))
    out.print(table)
    money = story["money"] or {"payments": []}
    for payment in money["payments"]:
        out.print(
            f"payment {payment['payment_id']} ({payment['programme']} {payment['key']}): "
            f"{yuan(payment['amount_fen'])} CNY, {payment['state']}"
        )
