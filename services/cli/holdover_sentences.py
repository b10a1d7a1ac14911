"""Every kind of difference there is between what holdover holds and the logs, in a sentence each, with what to do."""

from typing import Final

from services.cli.reconcile_sentences import Difference

MEASURE: Final = "holdover"
_RESTORE = "Stop holdover and restore its database whole, inbox included."
_CHANGED = "The row was changed past the rules: find out by whom, and restore the database of holdover."
_CUT = "The topic was cut or restored: restore it whole, and start nothing that reads it before."
_SUPPLIER = "Tell the supplier how the account stands before it acts on what it was told."

SENTENCES: Final = {
    "unreadable": (
        "the record at offset {offset} of {log} cannot be read ({error}). What comes after it in that partition waits: "
        "find out who wrote it."
    ),
    # Facts and holdover
    "fact_not_taken": (
        "{what} was accepted, and holdover has not taken it yet (offset {offset} of {log}; it "
        "stands at {place}). Wait for it; if its partition has stopped, /readyz of holdover says why."
    ),
    "fact_lost": (
        "{what} was accepted, and holdover has passed it (offset {offset} of {log}; it stands at "
        f"{{place}}) and does not hold it. {_RESTORE}"
    ),
    "fact_unknown": f"holdover holds {{what}}, and relief.facts.v1 has no such record. {_CUT}",
    "fact_differs": (
        "{what} was accepted with {accepted} (offset {offset} of {log}), and holdover holds it with {held}. " + _CHANGED
    ),
    "reason_differs": f"bill {{bill}} is held as {{held}}, and should be {{should}}. {_CHANGED}",
    "fact_contradicts": (
        "{what} is in {log} twice with different content (the second at offset {offset}). Holdover stops at it: find "
        "out what made intake accept both."
    ),
    "account_lost": (
        "a bill or a request names this account, and holdover, which has taken it, does not hold the account. "
        + _RESTORE
    ),
    "account_unknown": f"holdover holds this account, and no bill or request in relief.facts.v1 names it. {_CUT}",
    # Decisions and holdover
    "ruling_not_taken": (
        "application {application} is {decided} by revision {revision}, and {held} to holdover, which has not taken "
        "that yet (offset {offset} of {log}; it stands at {place}). Wait for it; if its partition has stopped, /readyz "
        "of holdover says why."
    ),
    "ruling_differs": (
        "application {application} is {decided} by revision {revision} (offset {offset} of {log}), and {held} to "
        f"holdover, which stands at {{place}}. {_RESTORE}"
    ),
    "ruling_unknown": (
        "application {application} is {held} to holdover, and relief.decisions.v1 has no decision on it. " + _CUT
    ),
    "ruling_contradicts": (
        "application {application} is {decided} by revision {revision}, and by the same revision {again} (offset "
        "{offset} of {log}). Holdover stops at it: find out what made eligibility decide twice under one number."
    ),
    "grant_differs": f"the account stands as {{state}} by application {{application}}, and {{should}}. {_CHANGED}",
    # Holdover in itself
    "sums_differ": f"{{what}}: {{expected}} fen by its rows, {{found}} by the account. {_CHANGED}",
    "split_differs": (
        "the account says that {found} fen were paid before repayment began, and by no day of any payment is it so. "
        + _CHANGED
    ),
    "instalments_do_not_add_up": f"{{what}}: {{expected}} fen are to be repaid, {{found}} are planned. {_CHANGED}",
    "completed_and_open": f"the holdover is completed, and {{found}} fen of it are open. {_CHANGED}",
    "protection_differs": (
        "the account stands as {state}, and holdover holds {held}. Tell the supplier not to cut the supply before this "
        f"is clear. {_CHANGED}"
    ),
    # Holdover and what it told
    "order_not_published": (
        "holdover has told {told} events of this account, and {log} has {found_events} yet: {backlog} events wait to "
        "be published. Wait; if they stand, /readyz of holdover says why under `relay`."
    ),
    "order_missing": (
        "holdover has told {told} events of this account, and {log} is without number {numbers}, though all was "
        "published: the topic was cut, or the relay's pointer moved. The supplier does not know it: publish it again "
        "from the outbox table of holdover."
    ),
    "order_unexpected": (
        "event {event} (`{kind_told}`, offset {offset} of {log}) is none that holdover has told of this account. Its "
        f"database was restored from before, or somebody else wrote it. {_SUPPLIER}"
    ),
    "order_contradicts": (
        "event {event} is in {log} twice with different content (the second at offset {offset}): find out who wrote "
        f"the second one. {_SUPPLIER}"
    ),
    "state_told_differs": f"the account stands as {{state}}, and told last is `{{last}}`. {_CHANGED}",
    "protection_told_differs": (
        "in force by holdover: {held}; by what was told: {told}. The supplier acts on what was told: compare both with "
        "the outbox table of holdover before the supply is cut."
    ),
    "deferred_told_differs": (
        f"of bill {{bill}} {{expected}} fen are deferred, and told last are {{found}}. {_SUPPLIER}"
    ),
    "repaid_told_differs": (
        "of payment {payment} {expected} fen can pay instalments, and told are {found}. " + _SUPPLIER
    ),
    "repaid_not_told": f"{{expected}} fen of the instalments are paid, and told are {{found}}. {_SUPPLIER}",
    "completed_told_open": f"told as completed with {{found}} fen open (offset {{offset}} of {{log}}). {_SUPPLIER}",
    "answer_missing": (
        "request {request} for disconnection is answered {answer} in the books, and {log} has no answer to it. "
        + _SUPPLIER
    ),
    "answer_differs": f"request {{request}} is answered {{answer}} in the books, and told are {{told}}. {_SUPPLIER}",
    "allowed_under_order": (
        "request {request} was told as allowed (offset {offset} of {log}) while order {order} was in force. Tell the "
        "supplier at once that it may not cut this supply."
    ),
}  # fmt: skip


def differ(
    kind: str, uscc: str, key: str, expected_fen: int = 0, found_fen: int = 0, subject: str | None = None,
    **facts: object,
) -> Difference:  # fmt: skip
    """A difference with its sentence; `key` is the account or application, `facts` what the sentence names."""
    why = SENTENCES[kind].format(expected=expected_fen, found=found_fen, **facts)
    return Difference(kind, uscc, MEASURE, key, subject, expected_fen, found_fen, why)
