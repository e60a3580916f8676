"""The documentation: its code is code, and it knows what the library knows."""

import ast
import inspect
import re
import shlex
from importlib.metadata import metadata
from itertools import pairwise
from typing import NamedTuple

import pytest
from django.core.management import BaseCommand, ManagementUtility

from gm2m import GM2MField, connections, deletion
from gm2m.connections.templatetags.connections import METHODS
from tests.pages import (
    DOCS,
    ECOSYSTEM,
    FENCE,
    HIDDEN,
    PAGES,
    ROOT,
    RUN,
    RUN_BLOCK,
    TUTORIAL,
    blocks,
    program,
    write,
)

REFERENCE = (DOCS / "reference.md").read_text()
BLOCKS = [block for path in PAGES for block in blocks(path)]
#: Diagrams, messages and synopses of commands: nothing that could be run.
PROSE = {"shell", "text"}


def relative(path):
    return str(path.relative_to(ROOT))


def of_language(language):
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=str)


# Code.


def test_every_fence_is_a_block():
    text = "\n".join(path.read_text() for path in PAGES)
    fences = len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE))
    assert fences == 2 * (len(BLOCKS) + text.count("```{toctree}")) > 200
    # Of comments there are no others than those that are run.
    assert text.count("<!--") == len(HIDDEN.findall(text)) > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        path
        for path in PAGES
        if path not in {TUTORIAL, *ECOSYSTEM}
        and {block.language for block in blocks(path)} - PROSE
    ],
    ids=relative,
)
def test_page_runs_from_top_to_bottom(path, project, forkserver):
    write(project, path)
    forkserver.run(RUN.format(path=str(path)), project.path)


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path != TUTORIAL], ids=relative
)
def test_what_is_not_run_is_looked_at(path):
    """A fixture, a template or the like is `shown` to a comment below it."""
    for block, comment in pairwise([*program(path), None]):
        if block.language not in {*RUN_BLOCK, *PROSE}:
            assert comment is not None, block
            assert comment.language == "run", block
            assert re.search(r"\bshown\b", comment.code), block


@of_language("console")
def test_commands_take_what_they_are_given(block):
    for line in block.code.replace(" && ", "\n").splitlines():
        match shlex.split(line.removeprefix("python -m ")):
            case ["pip", "install", *packages]:
                assert {*packages} <= packages_to_install()
            case ["nox", "-s", session, *_]:
                noxfile = (ROOT / "noxfile.py").read_text()
                assert f"\ndef {session}(session" in noxfile
            case (
                ["django-admin", command, *arguments]
                | ["python", "manage.py", command, *arguments]
                | ["python", "example_project/manage.py", command, *arguments]
            ):
                parser(command).parse_args(arguments)
            case _:
                pytest.fail(f"{line} is no command that is known here.")


def test_commands_in_prose_take_what_they_are_given():
    text = "\n".join(path.read_text() for path in PAGES)
    commands = re.findall(r"[`']manage\.py ([^`']+)[`']", text)
    assert len(commands) > 5
    for command in commands:
        name, *arguments = shlex.split(command)
        parser(name).parse_args(arguments)


def packages_to_install():
    extras = metadata("django-gm2m").get_all("Provides-Extra")
    own = [f"django-gm2m[{extra}]" for extra in extras]
    return {"--upgrade", "django", "nox", "django-gm2m", *own}


def parser(command):
    """Return the parser of a management command's arguments."""
    return ManagementUtility().fetch_command(command).create_parser("manage.py", "")


@of_language("shell")
def test_synopses_name_all_options(block):
    _python, _manage, command, *rest = block.code.split()
    own, common = (
        {option for option in parser._option_string_actions if option[:2] == "--"}
        for parser in (parser(command), BaseCommand().create_parser("", ""))
    )
    assert {*re.findall(r"--[\w-]+", " ".join(rest))} == own - common


MANAGE = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *{arguments!r}])
"""
SESSION = """
import django
django.setup()
import doctest
from library.models import *
result = doctest.testfile({path!r}, module_relative=False, globs=dict(globals()))
print(result.failed, "of", result.attempted)
"""


@pytest.mark.slow
def test_tutorial_runs_from_top_to_bottom(project, forkserver):
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
        said = forkserver.run(SESSION.format(path=str(path)), project.path)
        assert re.fullmatch(r"0 of [1-9]\d*\n", said), said
        session.clear()
        return 1

    for block in blocks(TUTORIAL):
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
                    code = MANAGE.format(arguments=found[1].split())
                    forkserver.run(code, project.path)
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


@pytest.mark.parametrize("path", PAGES, ids=relative)
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
