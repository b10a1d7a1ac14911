"""Every route of every service, and which roles it is open to: written down a second time, by hand."""

from typing import Any

from services.intake.api_cases import HOLDOVER
from shared.access import ROLES
from shared.uscc import with_check_character

USCC = with_check_character("91650100MA0000001")
STAFF = "liaison approver auditor operator service"
ALL_STAFF = f"preparer {STAFF}"
WATCH = "auditor operator service"
DESK = "approver auditor operator"
SUPPLIERS = "supplier auditor operator service"

# What anybody may ask of any service; it tells how the service is and what it serves, and nothing of any enterprise.
PUBLIC = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json", "/asyncapi", "/asyncapi.json"})

DOORS: dict[str, dict[str, str]] = {
    "intake": {
        "POST /v1/applications": "enterprise liaison operator",
        "GET /v1/applications/{application_id}": f"enterprise {ALL_STAFF}",
    },
    "eligibility": {"GET /v1/enterprises/{uscc}": f"enterprise {ALL_STAFF}"},
    "payments": {
        "GET /v1/enterprises/{uscc}/payments": f"enterprise {STAFF}",
        "GET /v1/totals": WATCH,
        "GET /v1/clerk": WATCH,
        "GET /v1/books": WATCH,
        "GET /v1/batches": f"preparer {DESK}",
        "GET /v1/batches/{batch_id}": f"preparer {DESK}",
        **{f"GET /v1/{name}": DESK for name in ("budgets", "held", "freezes", "clawbacks")},
        **{f"GET /v1/{name}": DESK for name in ("bank-files", "parked", "actions")},
        "POST /v1/batches": "preparer",
        **{f"POST /v1/batches/{{batch_id}}/{verb}": "approver" for verb in ("approve", "reject")},
        **{f"POST /v1/batches/{{batch_id}}/{verb}": "approver operator" for verb in ("freeze", "release")},
        "POST /v1/freezes": "approver operator",
        "POST /v1/freezes/release": "approver operator",
        "PUT /v1/budgets/{programme}": "approver",
        "POST /v1/payments/{payment_id}/resolve": "approver",
        "POST /v1/clawbacks/{clawback_id}/write-off": "approver",
        "POST /v1/clawbacks/{clawback_id}/write-off/withdraw": "approver",
    },
    "ledger": {
        **{f"GET /v1/{name}": WATCH for name in ("accounts", "trial-balance", "chain-heads", "transactions")},
        "GET /v1/enterprises/{uscc}/postings": f"enterprise {STAFF}",
    },
    "holdover": {
        "GET /v1/protection": SUPPLIERS,
        "GET /v1/receivables": SUPPLIERS,
        "GET /v1/receivables/accounts": SUPPLIERS,
        "GET /v1/receivables.csv": SUPPLIERS,
        "GET /v1/enterprises/{uscc}/holdovers": f"enterprise {STAFF}",
        "GET /v1/totals": WATCH,
        "GET /v1/books": WATCH,
    },
}


def let_in(service: str, door: str) -> set[str]:
    """The roles that a route is open to."""
    roles = set(DOORS[service][door].split())
    assert roles <= ROLES
    return roles


# Bodies that are understood, so that who is turned away is turned away for who they are.
_BODIES: dict[str, Any] = {
    "/v1/applications": HOLDOVER | {"uscc": USCC},
    "/v1/freezes": {"reason": "r", "scope": "enterprise", "subject": USCC},
    "/v1/freezes/release": {"reason": "r", "scope": "enterprise", "subject": USCC},
    "/v1/budgets/{programme}": {"reason": "r", "total_fen": 1},
    "/v1/payments/{payment_id}/resolve": {"reason": "r", "status": "rejected"},
}


def body_of(path: str) -> dict[str, Any]:
    """A body that the route understands; of the others, that of every officer's action."""
    found: dict[str, Any] = _BODIES.get(path, {"reason": "r"})
    return found
