"""The documentation: its code is code, and it knows what the library knows."""

import ast
import inspect
import re
from doctest import DocTestParser
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from gm2m import GM2MField, connections, deletion
from gm2m.connections.templatetags.connections import METHODS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts),
]
REFERENCE = (DOCS / "reference.md").read_text()
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """One fenced block of a page, and the line on which its code begins."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(path):
    text = path.read_text()
    return [
        Block(
            str(path.relative_to(ROOT)),
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            dedent(found["code"]),
        )
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for path in PAGES for block in blocks(path)]


# Code.


def test_every_fence_is_a_block():
    fences = sum(
        len(re.findall(r"^ *```\w", path.read_text(), re.MULTILINE)) for path in PAGES
    )
    assert fences == len(BLOCKS) > 50


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python"], ids=str
)
def test_python_compiles(block):
    compile(block.code, str(block), "exec")


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "pycon"], ids=str
)
def test_sessions_compile(block):
    examples = DocTestParser().get_examples(block.code, name=str(block))
    assert examples
    for example in examples:
        compile(example.source, str(block), "single")


SESSION = """
import doctest
result = doctest.testfile({path!r}, module_relative=False, globs=dict(globals()))
print(result.failed, "of", result.attempted)
"""


@pytest.mark.slow
def test_tutorial_runs_from_top_to_bottom(project):
    """
    Blocks that begin with the name of a file are written there, sessions follow the
    shell, and commands are carried out.
    """
    written, session, sessions = {}, [], 0

    def finish():
        if not session:
            return 0
        path = project.path / "session.txt"
        path.write_text("\n".join(session))
        said = project.run(SESSION.format(path=str(path)))
        assert re.fullmatch(r"0 of [1-9]\d*\n", said), said
        session.clear()
        return 1

    for block in blocks(DOCS / "tutorial.md"):
        if block.language == "pycon":
            session.append(block.code)
            continue
        sessions += finish()
        if block.language == "python":
            name = re.match(r"# (?:mysite/)?([\w/]+\.py)\n", block.code)[1]
            if name == "settings.py":
                project.settings(more=block.code)
                continue
            written[name] = written.get(name, "") + block.code
            project.write(name, written[name])
        else:
            for command in block.code.splitlines():
                if found := re.match(r"python manage\.py (\w*migrat.*)", command):
                    project.manage(*found[1].split())
    sessions += finish()
    assert sessions == 3
    assert project.migrations()[0] == "0001_initial"
    assert len(project.migrations()) == 3


# System checks.


class Check(NamedTuple):
    """A check as the code has it: patterns stand for what differs by case."""

    id: str
    message: str | None
    hint: str | None


def pattern(node):
    """Return a regular expression for the text that a node of code makes up."""
    if node is None or isinstance(node, (ast.Call, ast.Name, ast.Attribute)):
        return None
    if isinstance(node, ast.Constant):
        return re.escape(node.value)
    return "".join(
        re.escape(part.value) if isinstance(part, ast.Constant) else ".+?"
        for part in node.values
    )


def checks_in_code():
    found = []
    modules = (
        "checks",
        "database_checks",
        "through",
        "admin/checks",
        "connections/checks",
    )
    for module in modules:
        tree = ast.parse((ROOT / f"gm2m/{module}.py").read_text())
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            options = {keyword.arg: keyword.value for keyword in call.keywords}
            function = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if function == "ThroughError":
                number, message, hint = call.args
                id = f"gm2m.{number.value}"
            elif function in ("Error", "Warning"):
                (message,), hint, id = call.args, options.get("hint"), options["id"]
                if not isinstance(id, ast.Constant):
                    continue
                id = id.value
            else:
                continue
            if id.startswith("gm2m."):
                found.append(Check(id, pattern(message), pattern(hint)))
    return found


CHECKS = checks_in_code()


def section(id):
    """Return what the reference says of a check, on one line."""
    (text,) = re.findall(
        rf"^### {re.escape(id)}\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL
    )
    return " ".join(text.split())


def test_every_check_has_a_heading_and_every_heading_a_check():
    headings = re.findall(r"^### (gm2m\.[EW]\d+)$", REFERENCE, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == {check.id for check in CHECKS}


@pytest.mark.parametrize(
    "check", CHECKS, ids=[f"{number}-{c.id}" for number, c in enumerate(CHECKS)]
)
def test_messages_and_hints_are_those_of_the_code(check):
    said = section(check.id)
    if check.message is not None:
        assert re.search(check.message, said)
    if check.hint is not None:
        assert re.search(f"HINT: {check.hint}", said)


# Names.


def test_every_option_is_in_the_reference():
    parameters = inspect.signature(GM2MField.__init__).parameters.values()
    options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert len(options) > 10
    assert [name for name in options if f"| `{name}` |" not in REFERENCE] == []


def test_every_name_of_connections_is_in_the_reference():
    names = [name for name in connections.__all__ if f"`{name}" not in REFERENCE]
    assert names == []
    assert [name for name in METHODS if f"`{name}" not in REFERENCE] == []


def test_every_policy_is_in_the_reference():
    assert [name for name in deletion.__all__ if f"`{name}`" not in REFERENCE] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path):
    text = FENCE.sub("", path.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        page = path if not name else path.parent / name
        assert page.exists(), link
        if anchor:
            slugs = {slug(title) for title in headings(page)}
            assert anchor in slugs, link


def headings(path):
    return re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)


def slug(title):
    """Return the anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for index in DOCS.rglob("index.md"):
        for tree in re.findall(
            r"```\{toctree\}\n(.*?)```", index.read_text(), re.DOTALL
        ):
            names = [
                name for name in tree.split("\n") if name and not name.startswith(":")
            ]
            listed |= {index.parent / f"{name}.md" for name in names}
    pages = {path for path in PAGES if DOCS in path.parents}
    assert pages - listed == {DOCS / "index.md"}
    assert listed <= pages
