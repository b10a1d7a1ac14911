"""Why a bank's file is not taken: a code to count by and a sentence for the officer."""

from typing import Literal

ReasonCode = Literal[
    "NOT_XML",  # nor UTF-8
    "FORBIDDEN_XML",  # a document type declaration, and with it every entity
    "TOO_LARGE",
    "UNKNOWN_SCHEMA",
    "NOT_OF_SCHEMA",
    "WRONG_TOTAL",
    "BAD_AMOUNT",  # not CNY, not whole fen, zero, or beyond what one payment can be
    "MISSING_ID",
    "BAD_ID",  # not of the form that we gave it
    "REPEATED_ID",
    "BAD_DATE",  # missing, or outside 1900 to 2199
    "BAD_STATUS",  # unknown, missing, or against another in the same file
    "REVERSAL",  # money that comes back for another reason than a clawback
]

_SHOWN = 60


class Refused(Exception):
    """The whole file is refused: nothing of it is posted, and an officer looks at it.

    `sentence` quotes ids and element names of the file at most, never a name or an account.
    """

    def __init__(self, reason_code: ReasonCode, sentence: str) -> None:
        super().__init__(sentence)
        self.reason_code: ReasonCode = reason_code
        self.sentence = sentence


def quoted(text: str) -> str:
    """What a stranger wrote, short and printable enough for one sentence."""
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return "“" + "".join(character if character.isprintable() else "?" for character in shown) + "”"
