"""No secret stands in the code: settings have no default that could be one, and the environment or a file gives it."""

import re
from typing import Any

import pytest

from services.eligibility.settings import Settings as Eligibility
from services.holdover.settings import Settings as Holdover
from services.intake.settings import Settings as Intake
from services.ledger.settings import Settings as Ledger
from services.payments.settings import Settings as Payments
from shared.devkeys import DEVELOPMENT_ISSUER
from shared.service import ServiceSettings
from tests.house.checkout import sources

SERVICES: tuple[type[ServiceSettings], ...] = (Eligibility, Holdover, Intake, Ledger, Payments)
_SECRET_NAME = re.compile("secret|password|token|key|credential|url|bootstrap")
# A private key's beginning, a token's, and a password inside an address; spelt so that this file holds none.
_SECRET_TEXT = re.compile(
    "-----BEGIN [A-Z ]*PRIVATE" + " KEY|eyJ[A-Za-z0-9_-]+[.]eyJ|[a-z]+://[^/:@\\s{}\"']+:[^/@\\s{}\"']{3,}@[a-z0-9.-]+"
)


@pytest.mark.parametrize("settings", SERVICES, ids=lambda one: one.__module__.split(".")[1])
def test_no_setting_has_a_secret_for_a_default(settings: type[ServiceSettings]) -> None:
    defaults: dict[str, Any] = {
        name: field.default for name, field in settings.model_fields.items() if not field.is_required()
    }
    found = {name: value for name, value in defaults.items() if value is not None and _SECRET_NAME.search(name)}
    # Its name alone opens nothing: the keys are those of the secrets directory, which has no default.
    assert found == {"token_issuer": DEVELOPMENT_ISSUER}


def test_no_file_holds_a_key_a_token_or_a_password() -> None:
    assert {"secrets_dir"} <= {name for name, field in ServiceSettings.model_fields.items() if field.is_required()}
    # Tests have made-up ones, to see what becomes of them.
    shipped = [source for source in sources() if not source.path.name.startswith("test_")]
    found = [f"{source.path}: {hit[0][:40]}" for source in shipped for hit in _SECRET_TEXT.finditer(source.text)]
    assert not found
