"""The oracle is a second reading: it may share nothing with what it checks, not even an id or a date of the law."""

import ast
import sys
from pathlib import Path

ORACLE = sorted(Path(__file__).parent.glob("oracle*.py"))


def foreign(text: str) -> set[str]:
    """What a file of the oracle imports beyond the standard library and its own parts."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            own = node.level == 1 and all(name.startswith("oracle") for name in names)
            found |= set() if own else {"." * node.level + name for name in names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
            found.add("__import__")
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names or "importlib" in name}


def test_the_oracle_imports_the_standard_library_and_itself() -> None:
    assert len(ORACLE) >= 6
    assert {path.name: foreign(path.read_text()) for path in ORACLE if foreign(path.read_text())} == {}


def test_whatever_else_it_may_import_is_seen() -> None:
    assert foreign("from services.holdover import plain_reading") == {"services.holdover"}
    assert foreign("from shared.ids import payment_id\nimport json\nfrom .oracle_rules import Key") == {"shared.ids"}
    assert foreign("from . import generate\nfrom .hostile import x\nimport importlib") == {
        ".generate", ".hostile", "importlib",
    }  # fmt: skip
