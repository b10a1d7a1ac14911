"""What eligibility knows of one enterprise. Stored packed, so the order of fields is the format: add only at the end.

Every fact carries the id of the upstream record that told it, for the decision's list of facts. Periods are `YYYY-MM`.

A fact touches little of an enterprise, and a region has more enterprises than anybody holds open: so each contribution,
and what the refund stands on, stay packed until somebody asks for them, and are packed again only if so.
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec import Raw, Struct, field, msgpack


class Payee(Struct, array_like=True, frozen=True, gc=False):
    """Opaque here: sealed to the payments service; equal digests mean the same account."""

    sealed: str
    digest: str


class Registration(Struct, array_like=True, frozen=True, gc=False):
    effective_on: date
    version: int
    fact: str
    industry: str
    prefecture: str
    employees: int
    annual_revenue_fen: int
    total_assets_fen: int
    payee: Payee | None


class Deregistration(Struct, array_like=True, frozen=True, gc=False):
    fact: str
    on: date


class Assessment(Struct, array_like=True, frozen=True, gc=False):
    version: int
    fact: str
    employer_amount_fen: int


class Payment(Struct, array_like=True, frozen=True, gc=False):
    fact: str
    amount_fen: int


class Report(Struct, array_like=True, frozen=True, gc=False):
    """A versioned number: employees of a month, layoffs of a month, premium paid in a year (fen)."""

    version: int
    fact: str
    number: int


class Decline(Struct, array_like=True, frozen=True, gc=False):
    fact: str
    year: int


class Application(Struct, array_like=True, frozen=True, gc=False):
    fact: str
    declared_difficulty: bool
    submitted_on: date


class Held(Struct, array_like=True, frozen=True, gc=False):
    """The last decision written for one (measure, key)."""

    revision: int
    outcome: str
    amount_fen: int
    payee_digest: str | None


class Contribution(Struct, array_like=True):
    """One insurance and month: what was assessed and paid, and what was last decided of it."""

    # assessment_id -> latest version; at least one
    assessments: dict[str, Assessment] = field(default_factory=dict)
    # assessment_id -> payment_id -> payment
    payments: dict[str, dict[str, Payment]] = field(default_factory=dict)
    exemption: Held | None = None
    contribution_return: Held | None = None


class Insured(Struct, array_like=True):
    """What the refund stands on."""

    headcounts: dict[str, Report] = field(default_factory=dict)
    layoffs: dict[str, Report] = field(default_factory=dict)
    premiums: dict[int, Report] = field(default_factory=dict)
    declines: dict[str, Decline] = field(default_factory=dict)


if TYPE_CHECKING:
    _Packed = Contribution | Raw
    _PackedInsured = Insured | Raw
else:  # as they are read; whoever is asked for takes its packed one's place
    _Packed = _PackedInsured = Raw
_open_contribution = msgpack.Decoder(Contribution).decode
_open_insured = msgpack.Decoder(Insured).decode


class Enterprise(Struct, array_like=True, tag="e2"):
    # by effective_on, ascending; the latest version of each
    registrations: list[Registration] = field(default_factory=list)
    deregistration: Deregistration | None = None
    # "pension/2020-02" -> contribution; by `contribution` and `keys` only
    _contributions: dict[str, _Packed] = field(default_factory=dict)
    # of every assessment taken, four bytes that its id gives: an id that is not among them is new
    _assessed: bytes = b""
    # assessment_id -> payment_id -> payment, of assessments that are not here yet
    early: dict[str, dict[str, Payment]] = field(default_factory=dict)
    _insured: _PackedInsured = field(default_factory=Insured)
    applications: dict[str, Application] = field(default_factory=dict)
    # (measure + " " + key) -> what was last decided, but for what a contribution keeps
    _held: dict[str, Held] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Of the contributions, in order."""
        return sorted(self._contributions)

    def contribution(self, key: str) -> Contribution | None:
        kept = self._contributions.get(key)
        if isinstance(kept, Raw):
            kept = self._contributions[key] = _open_contribution(kept)
        return kept

    def key_of(self, assessment_id: str) -> str | None:
        """The contribution that an assessment is of; None: the assessment is not here."""
        # Two ids may share a mark, and a mark may lie across two others: then all are looked at, to the same answer.
        if crc32(assessment_id.encode()).to_bytes(4, "big") not in self._assessed:
            return None
        for key in self._contributions:
            contribution = self.contribution(key)
            if contribution is not None and assessment_id in contribution.assessments:
                return key
        return None

    def begin(self, key: str, assessment_id: str) -> Contribution:
        """The contribution with room for an assessment that is new, and with what was paid on it before."""
        contribution = self.contribution(key)
        if contribution is None:
            contribution = self._contributions[key] = Contribution()
        self._assessed += crc32(assessment_id.encode()).to_bytes(4, "big")
        if assessment_id in self.early:
            contribution.payments[assessment_id] = self.early.pop(assessment_id)
        return contribution

    @property
    def insured(self) -> Insured:
        kept = self._insured
        if isinstance(kept, Raw):
            kept = self._insured = _open_insured(kept)
        return kept

    def last(self, measure: str, key: str) -> Held | None:
        """What was last decided."""
        if measure not in _OF_A_CONTRIBUTION:
            return self._held.get(f"{measure} {key}")
        contribution = self.contribution(key)
        if contribution is None:
            return None
        return contribution.exemption if measure == "exemption" else contribution.contribution_return

    def hold(self, measure: str, key: str, decided: Held) -> None:
        """Remember what was decided; of a contribution, of one that is here."""
        if measure not in _OF_A_CONTRIBUTION:
            self._held[f"{measure} {key}"] = decided
            return
        contribution = self.contribution(key)
        assert contribution is not None, "only what was assessed is decided"
        if measure == "exemption":
            contribution.exemption = decided
        else:
            contribution.contribution_return = decided

    def granted(self) -> Iterator[tuple[str, str]]:
        """Measure and key of each decision that stands as a grant, in order."""
        for measure in _OF_A_CONTRIBUTION:
            for key in self.keys:
                held = self.last(measure, key)
                if held is not None and held.outcome == "granted":
                    yield measure, key
        for name in sorted(self._held):
            if self._held[name].outcome == "granted":
                measure, _, key = name.partition(" ")
                yield measure, key

    def registration_on(self, day: date) -> Registration | None:
        """In force on a day: the greatest `effective_on` not after it."""
        found = None
        for registration in self.registrations:
            if registration.effective_on > day:
                break
            found = registration
        return found

    def payee(self) -> Payee | None:
        """Where money goes: the account of the newest registration known, even if it is not yet in force."""
        return self.registrations[-1].payee if self.registrations else None


# In the order of their names, which come before all others.
_OF_A_CONTRIBUTION = ("contribution_return", "exemption")
