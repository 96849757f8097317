"""How the code is laid out: budgets and fences that a linter does not hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "keyferry"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, ARGUMENTS = 400, 40, 6
Function = ast.FunctionDef | ast.AsyncFunctionDef

# What Kopf keeps state for: an annotation, a finalizer and writes on every object that such a handler sees.
STATEFUL = {"create", "update", "field", "resume", "delete", "timer", "daemon"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def below(path: Path, *parts: str) -> bool:
    return path.relative_to(PACKAGE).as_posix().startswith(parts)


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text()))


def functions(path: Path) -> Iterator[Function]:
    yield from (node for node in nodes(path) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines without decorators and docstring."""
    assert function.end_lineno
    docstring = function.body[0] if ast.get_docstring(function) else None
    documented = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
    return function.end_lineno - function.lineno + 1 - documented


def arguments(function: Function) -> int:
    """What a caller has to give: an object's own methods do not count the object, and `**_` counts nothing."""
    given = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([each for each in given if each not in ("self", "cls")])


def options(function: Function) -> bool:
    """Whether it is a command, whose arguments are the options that a user sees."""
    return any("typer" in ast.unparse(each) for each in (*function.args.args, *function.args.kwonlyargs))


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    found = {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in nodes(path) if isinstance(node, ast.ImportFrom) and not node.level}
    return {each.partition(".")[0] for each in found}


def test_there_are_sources_to_look_at():
    assert len(SOURCES) > 50


def test_operator_is_no_package_for_it_would_hide_pythons_own():
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_a_file_holds_one_idea(path: Path):
    assert len(path.read_text().splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short_and_take_few_arguments(path: Path):
    long = {each.name: length(each) for each in functions(path) if length(each) > FUNCTION_LINES and not options(each)}
    many = {each.name: arguments(each) for each in functions(path) if arguments(each) > ARGUMENTS and not options(each)}
    assert (long, many) == ({}, {})


def test_half_of_the_files_are_short():
    lines = sorted(len(path.read_text().splitlines()) for path in SOURCES)
    assert lines[len(lines) // 2] <= 150


def catches_all(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    return re.search(r"\b(Base)?Exception\b", caught) is not None


def goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether it ends otherwise than by raising what it caught."""
    last = handler.body[-1]
    return not (isinstance(last, ast.Raise) and last.exc is None)


@pytest.mark.parametrize("path", [each for each in SOURCES if not below(each, "sync/boundary.py")], ids=name)
def test_only_the_boundary_catches_everything(path: Path):
    handlers = [node for node in nodes(path) if isinstance(node, ast.ExceptHandler)]
    assert [each.lineno for each in handlers if catches_all(each) and goes_on(each)] == []


def test_the_boundary_does_catch_everything():
    handlers = [node for node in nodes(PACKAGE / "sync" / "boundary.py") if isinstance(node, ast.ExceptHandler)]
    assert [each for each in handlers if catches_all(each)]


@pytest.mark.parametrize("path", [each for each in SOURCES if not below(each, "handlers/", "app.py", "cli/")], ids=name)
def test_kopf_stays_at_the_edge(path: Path):
    assert "kopf" not in imported(path)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_handler_makes_kopf_keep_state(path: Path):
    used = [node for node in nodes(path) if isinstance(node, ast.Attribute) and node.attr in STATEFUL]
    assert [ast.unparse(node) for node in used if re.match(r"(kopf\.)?on\.|kopf\.", ast.unparse(node))] == []
    from_kopf = [node for node in nodes(path) if isinstance(node, ast.ImportFrom) and (node.module or "") == "kopf.on"]
    assert from_kopf == []


def test_handlers_are_found_where_they_are_looked_for():
    found = [path for path in SOURCES if "kopf.on.event" in path.read_text()]
    assert {path.parent.name for path in found} == {"handlers"}
    assert len(found) >= 3


# Other things called `data`: an entry list of a spec, and an outcome's on its way from render/ to kube/.
NO_VALUES = {
    "operator/keyferry/api/external_secret.py": ("self.data",),
    "operator/keyferry/cli/writing.py": ("before.data",),  # what a put changes: told by keys, never by what they hold
    "operator/keyferry/sync/decide.py": ("rendered.data",),
    "operator/keyferry/sync/external_secret.py": ("spec.data",),
    "operator/keyferry/sync/target.py": ("outcome.data",),
}


@pytest.mark.parametrize(
    "path",
    [each for each in SOURCES if not below(each, "backends/", "render/", "kube/secrets.py", "values.py")],
    ids=name,
)
def test_a_value_is_opened_only_where_it_is_read_rendered_or_written(path: Path):
    opened = [node for node in nodes(path) if isinstance(node, ast.Attribute) and node.attr == "data"]
    assert [ast.unparse(node) for node in opened if ast.unparse(node) not in NO_VALUES.get(name(path), ())] == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_runs_at_import(path: Path):
    calls = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    allowed = r"(\w+\.model_rebuild|main)\("
    assert [ast.unparse(call) for call in calls if not re.match(allowed, ast.unparse(call))] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "unit").rglob("test_*.py")), ids=name)
def test_unit_tests_wait_for_no_clock(path: Path):
    attributes = {ast.unparse(node) for node in nodes(path) if isinstance(node, ast.Attribute)}
    assert "time.sleep" not in attributes


def test_no_module_is_called_for_what_it_is_not():
    vague = {"utils", "helpers", "common", "manager", "misc", "util", "helper"}
    assert {path.stem for path in SOURCES} & vague == set()
