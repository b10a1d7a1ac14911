"""What each API's own document describes is asked of it, and what it excludes: the answers are as the document says.

More than the usual: FUZZ_EXAMPLES=1000 pytest --timeout 0 on this file.
"""

from contextlib import suppress
from itertools import count
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.control import SkipTest
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.contracts.vocabulary import Uscc
from shared.devkeys import issue_development_token
from shared.uscc import with_check_character
from tests.faults.doors import let_in
from tests.faults.fuzzing import profile
from tests.faults.http_sites import Site

pytestmark = pytest.mark.integration
PROFILE = profile(20)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    positive_data_acceptance,
    negative_data_rejection,
]
USCC, OTHER = with_check_character("91650100MA0000001"), with_check_character("91650100MA0000002")
USCC_PATTERN = TypeAdapter(Uscc).json_schema()["pattern"]
_callers = count()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
def test_what_is_asked_is_answered_as_the_document_says(site: Site, mode: GenerationMode) -> None:
    generation = GenerationConfig(modes=[mode], with_security_parameters=False)
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    document = schemathesis.openapi.from_dict(_with_codes(site.schema), config=config)
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        roles = sorted(let_in(site.name, operation.label))

        @PROFILE
        @given(case=operation.as_strategy(mode), role=st.sampled_from(roles))
        def holds(case: Case[Any], role: str) -> None:
            # Somebody new each time: how often one may ask is another test's.
            token = issue_development_token(site.secrets, role, f"fuzz {next(_callers)}", USCC, supplier_id="grid-6501")
            sent = case.as_transport_kwargs(base_url="http://service")
            sent["headers"] = dict(sent["headers"]) | {"Authorization": f"Bearer {token}"}
            del sent["cookies"]
            answer = site.ask(sent.pop("method"), sent.pop("url"), **sent)
            checks = [check for check in CHECKS if check is not positive_data_acceptance or not _ruled(answer)]
            case.validate_response(answer, checks=checks)

        with suppress(SkipTest):  # nothing can be sent that does not fit where nothing is sent
            holds()


def _ruled(answer: httpx.Response) -> bool:
    """Refused for a rule that the schema does not state.

    By a name of its own; for what a schema cannot say of `details` and `contact`; or for a whole number written 1.0,
    which JSON Schema takes for an integer and we do not.
    """
    if answer.status_code != 422:
        return False
    errors = answer.json().get("errors")
    return errors is None or all(
        error["code"] in {"int_type", "no_bank_reference"} or {"details", "contact"} & set(error["field"].split("."))
        for error in errors
    )


def _with_codes(schema: Any) -> Any:
    """Two codes that there are in place of the pattern of a uscc: its check character is beyond a schema."""
    if isinstance(schema, dict):
        if schema.get("pattern") == USCC_PATTERN:
            return {"type": "string", "enum": [USCC, OTHER]}
        return {name: _with_codes(part) for name, part in schema.items()}
    return [_with_codes(part) for part in schema] if isinstance(schema, list) else schema
