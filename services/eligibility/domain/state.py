"""What eligibility knows of one enterprise. Stored packed, so the order of fields is the format: add only at the end.

Every fact carries the id of the upstream record that told it, for the decision's list of facts. Periods are `YYYY-MM`.
"""

from datetime import date

from msgspec import Struct, field


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


class Enterprise(Struct, array_like=True, tag="e"):
    # by effective_on, ascending; the latest version of each
    registrations: list[Registration] = field(default_factory=list)
    deregistration: Deregistration | None = None
    # "pension/2020-02" -> assessment_id -> latest version
    assessments: dict[str, dict[str, Assessment]] = field(default_factory=dict)
    # assessment_id -> payment_id -> payment; may be here before the assessment
    payments: dict[str, dict[str, Payment]] = field(default_factory=dict)
    headcounts: dict[str, Report] = field(default_factory=dict)
    layoffs: dict[str, Report] = field(default_factory=dict)
    premiums: dict[int, Report] = field(default_factory=dict)
    declines: dict[str, Decline] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    # (measure + " " + key) -> what was last decided
    held: dict[str, Held] = field(default_factory=dict)

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
