"""The house rules: each takes one file and tells its violations as `path:line: sentence`."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator

from .checkout import Source

FILE_LINES = 320
FUNCTION_LINES = 70
_ROOMS = ("services", "shared", "deploy")
_FORBIDDEN_FILES = {"utils.py", "helpers.py", "common.py", "util.py", "helper.py", "misc.py"}
_CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}
_TIME = {
    "time",
    "time_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "localtime",
    "gmtime",
    "sleep",
}
# What a step may not depend on, as `module.name`; a module alone forbids all of it.
_IMPURE = {
    *(f"datetime.{kind}.{name}" for kind in ("datetime", "date") for name in _CLOCKS),
    *(f"time.{name}" for name in _TIME),
    *("random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.environ", "os.getenv", "os.urandom"),
}
_ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv", "os.environb"}

Rule = Callable[[Source], Iterator[str]]


def short_files(source: Source) -> Iterator[str]:
    """A file is read in one sitting."""
    lines = source.text.count("\n")
    if _ours(source) and lines > FILE_LINES:
        yield f"{source.path}:{lines}: the file has {lines} lines; split it below {FILE_LINES}"


def short_functions(source: Source) -> Iterator[str]:
    """A function fits on a page."""
    for node in ast.walk(_tree(source)) if _ours(source) else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines; split it below {FUNCTION_LINES}"


def telling_names(source: Source) -> Iterator[str]:
    """A name says what is inside."""
    if source.path.name in _FORBIDDEN_FILES:
        yield f"{source.path}:1: a file of that name collects everything; name it after its noun"
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Manager"):
            yield f"{source.path}:{node.lineno}: {node.name} says nothing; name it after what it is"


def pure_steps(source: Source) -> Iterator[str]:
    """Decisions and steps know no clock, no chance and no environment."""
    if _ours(source):
        tree = _tree(source)
        for scope in [tree] if "domain" in source.path.parts else _steps(tree):
            yield from (
                f"{source.path}:{line}: {name} makes a replay differ; take it as an argument"
                for line, name in _used(tree, scope, _IMPURE)
            )


def environment_in_settings(source: Source) -> Iterator[str]:
    """The environment is read where an operator looks for it."""
    allowed = source.path.name == "settings.py" or source.path.parts[:2] == ("services", "cli")
    if source.path.parts[0] in ("services", "shared") and not allowed and not _is_test(source):
        tree = _tree(source)
        for line, name in _used(tree, tree, _ENVIRONMENT):
            yield f"{source.path}:{line}: {name} is read outside settings.py"


def whole_money(source: Source) -> Iterator[str]:
    """No float comes near money."""
    domain = source.path.parts[0] == "services" and "domain" in source.path.parts
    if not domain and str(source.path) != "shared/money.py":
        return
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{source.path}:{node.lineno}: {node.value} is a float; count in fen, or in a Fraction"
        if isinstance(node, ast.Name) and node.id == "float":
            yield f"{source.path}:{node.lineno}: float has no place here; count in fen, or in a Fraction"


def reasoned_exceptions(source: Source) -> Iterator[str]:
    """What silences a check says which check, or why."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (
            re.search(r"#\s*noqa:?\s*(#\s*)?$", token.string)
            or re.search(r"#\s*type:\s*ignore\s*(#\s*)?$", token.string)
        ):
            yield f"{source.path}:{token.start[0]}: {token.string} carries neither a code nor a reason"


PYTHON_RULES: tuple[Rule, ...] = (
    short_files,
    short_functions,
    telling_names,
    pure_steps,
    environment_in_settings,
    whole_money,
    reasoned_exceptions,
)

# Spelt in two parts, so that this file keeps the rule too.
_HOSTS = tuple(
    f"{name}.{domain}"
    for name, domain in (
        ("pypi", "org"),
        ("files", "pythonhosted"),
        ("repo1", "maven"),
        ("repo", "maven.apache"),
        ("registry", "npmjs"),
        ("proxy", "golang"),
    )
)
_MACHINE = re.compile(r"(?<![\w.~-])/(work|home|root|Users)/")


def portable(source: Source) -> Iterator[str]:
    """No registry's address and no path of one machine, in any file."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for host in _HOSTS:
            if host in line:
                yield f"{source.path}:{number}: {host} is an index; the installer's own settings name it"
        path = _MACHINE.search(line)
        if path:
            yield f"{source.path}:{number}: {path[0]} exists on one machine only"


def _ours(source: Source) -> bool:
    return source.path.parts[0] in _ROOMS


def _is_test(source: Source) -> bool:
    return source.path.name.startswith("test_") or source.path.name == "conftest.py"


def _tree(source: Source) -> ast.Module:
    return ast.parse(source.text)


def _steps(tree: ast.Module) -> list[ast.AST]:
    """Folds' own methods, which must be pure wherever they stand: in a class with a `step`, all four."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            functions = {f.name: f for f in node.body if isinstance(f, ast.FunctionDef)}
            if "step" in functions:
                found += [functions[name] for name in ("step", "decode", "keys", "cause") if name in functions]
    return found


def _used(tree: ast.Module, scope: ast.AST, forbidden: set[str]) -> list[tuple[int, str]]:
    """Where `scope` uses a forbidden name, whatever the imports of the file call it."""
    meant = _imports(tree)
    found = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted(node, meant)
            hit = next((f for f in forbidden if name == f or name.startswith(f + ".")), None)
            if hit:
                found.add((node.lineno, hit))
    return sorted(found)


def _imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    meant: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meant |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            meant |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return meant


def _dotted(node: ast.expr, meant: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, meant)}.{node.attr}"
    return meant.get(node.id, "") if isinstance(node, ast.Name) else ""
