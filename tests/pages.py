"""
The pages of the documentation, and how to run one: from top to bottom, as one program.

What readers need not see is in comments, which are run where they stand:

    <!-- run: from tests.cast import * -->

A page goes on where the models of the tutorial end: its code belongs to their module,
and a class that the page declares takes the place of the tutorial's. After a block,
`shown` is what it shows: the values of the expressions in Python code, the output of
commands, the text of anything else.
"""

import ast
import doctest
import re
import shlex
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple
from unittest import mock

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts),
]
TUTORIAL = DOCS / "tutorial.md"
#: Those that need other packages.
ECOSYSTEM = [DOCS / "howto/rest.md", DOCS / "howto/ecosystem.md"]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
HIDDEN = re.compile(
    r"^ *<!-- (?P<language>run):(?P<code>.*?)-->$", re.MULTILINE | re.DOTALL
)
APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "gm2m",
    "gm2m.connections",
    "library",
]
#: Tables are made without migrations, and one database plays the part of all.
SETTINGS = """
from tests.settings import MIDDLEWARE, PASSWORD_HASHERS, STATIC_URL, TEMPLATES

DATABASES |= dict.fromkeys(["archive", "replica"], DATABASES["default"])
MIGRATION_MODULES = dict.fromkeys(
    ["gm2m_connections", *(app.rpartition(".")[2] for app in INSTALLED_APPS)]
)
ROOT_URLCONF = "urls"
ALLOWED_HOSTS = ["testserver"]
"""
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
RUN = """
import django
django.setup()
from pathlib import Path
from tests.pages import run
run(Path({path!r}))
"""


class Block(NamedTuple):
    """One block of a page, and the line on which its code begins."""

    path: Path
    line: int
    language: str
    code: str

    def __str__(self):
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(path, *patterns):
    """Return the blocks of a page, by default those that readers see."""
    text = path.read_text()
    found = [
        match for pattern in patterns or [FENCE] for match in pattern.finditer(text)
    ]
    return [
        Block(
            path,
            text.count("\n", 0, match.start("code")) + 1,
            match["language"],
            dedent(match["code"].lstrip(" ")),
        )
        for match in sorted(found, key=lambda match: match.start())
    ]


def program(path):
    """Return the blocks that make up the program of a page."""
    return blocks(path, FENCE, HIDDEN)


def write(project, path, apps=()):
    """Write what a page needs, `apps` included, into a project."""
    project.settings([*APPS, *apps], SETTINGS)
    project.write("urls.py", URLS)
    project.write("library/models.py", models(path))


def models(path):
    """Return the models of the tutorial without those that a page declares itself."""
    declared = {
        statement.name
        for block in program(path)
        if block.language in ("python", "run")
        for statement in ast.parse(block.code).body
        if isinstance(statement, ast.ClassDef)
    }
    tree = ast.parse(
        "".join(
            block.code
            for block in blocks(TUTORIAL)
            if block.code.startswith("# library/models.py")
        )
    )
    tree.body = [
        statement
        for statement in tree.body
        if getattr(statement, "name", None) not in declared
    ]
    return ast.unparse(tree)


# What runs inside the project.


def run(path):
    """Run a page."""
    names, made = vars(import_module("library.models")), set()
    for block in program(path):
        make_tables(made)
        RUN_BLOCK.get(block.language, show)(block, names)


def make_tables(made):
    """Make the tables of the models that are new since the last time."""
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    new = [model for model in apps.get_models() if model not in made]
    if not made:
        call_command("migrate", run_syncdb=True, verbosity=0)
    elif new:
        with connection.schema_editor() as editor:
            for model in new:
                if model._meta.can_migrate(connection) and (
                    model._meta.db_table not in connection.introspection.table_names()
                ):
                    editor.create_model(model)
    made.update(new)


def run_python(block, names):
    """Run code as if it were typed: what expressions are worth is looked at."""
    names["shown"] = []
    typed = ast.Interactive(ast.parse(in_place(block)).body)
    code = compile(typed, block.path, "single", dont_inherit=True)
    with mock.patch("sys.displayhook", lambda value: look(value, names["shown"])):
        exec(code, names)


def look(value, shown):
    from django.db.models import QuerySet

    if isinstance(value, QuerySet):
        # Databases have orders of their own where nobody asks for one.
        value = list(value if value.ordered else value.order_by("pk"))
    if value is not None:
        shown.append(value)


def run_hidden(block, names):
    """Run code that sees what the block above it shows."""
    exec(compile(in_place(block), block.path, "exec", dont_inherit=True), names)


def in_place(block):
    """Return code at its place in the page, so that tracebacks show it there."""
    return "\n" * (block.line - 1) + block.code


def run_session(block, names):
    """Run a session of Python's shell, which has to go as it is shown."""
    test = doctest.DocTestParser().get_doctest(
        block.code, {}, block.path.name, str(block.path), block.line - 1
    )
    test.globs = names
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    said = StringIO()
    result = doctest.DocTestRunner(optionflags=options).run(
        test, out=said.write, clear_globs=False
    )
    assert result.attempted
    assert not result.failed, said.getvalue()


def run_commands(block, names):
    """Carry out management commands; others have their test elsewhere."""
    from django.core.management import call_command

    with redirect_stdout(StringIO()) as said:
        for line in block.code.splitlines():
            if line.startswith("python manage.py "):
                call_command(*shlex.split(line)[2:])
    names["shown"] = said.getvalue()


def show(block, names):
    names["shown"] = block.code


RUN_BLOCK = {
    "python": run_python,
    "run": run_hidden,
    "pycon": run_session,
    "console": run_commands,
}
