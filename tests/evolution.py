"""
How a database fares while the models of a project change.

An ``Evolution`` is a project that starts from the first of two versions of its models.
The functions below it run inside the project, whose models are of the second version,
and go to and fro between the two: what they find goes by the models of the migrations'
own state.
"""

import json
import uuid
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

from django.apps import apps as installed
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from gm2m.fields import GM2MField
from tests.forkserver import ForkServer
from tests.project import Project

#: What can be linked: keys of three kinds.
TARGETS = """
import uuid
class Movie(models.Model):
    name = models.CharField(max_length=100)
class Opera(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)
class Concert(models.Model):
    code = models.CharField(max_length=60, primary_key=True)
    name = models.CharField(max_length=100)
"""
#: What ``fill()`` links, by source.
LINKS = {"Jack": ["Tosca", "Alien", "Gig"], "Jill": ["Gig", "Brazil"]}
BACKLINKS = {
    "Alien": ["Jack"],
    "Brazil": ["Jill"],
    "Gig": ["Jack", "Jill"],
    "Tosca": ["Jack"],
}
TOSCA = uuid.UUID("b7a8c8f5-6a3f-4f7e-9a55-0d4a2f1c9e11")
PRELUDE = """
import django
django.setup()
from library.models import *
from tests.evolution import *
"""
#: The first migrations of versions of the models, which many tests have in common.
first_migrations = {}


class Evolution:
    """A project whose database is to be made by its first migration."""

    def __init__(self, project: Project, server: ForkServer):
        self.project, self.server = project, server

    def start(self, models):
        """Make the first migration, from `models`."""
        if models not in first_migrations:
            self.project.models(models)
            self.run("makemigrations()")
            first_migrations[models] = self.project.migration("0001_initial")
        self.project.write("library/migrations/__init__.py", "")
        self.project.write(
            "library/migrations/0001_initial.py", first_migrations[models]
        )

    def change(self, before, after, code="round_trip()"):
        """
        Return what `code`, an expression, is worth in the project after a change of the
        models.
        """
        self.start(before)
        self.project.models(after)
        return self.run(code)

    def run(self, code):
        """Return what `code` is worth: an expression, or lines that end with one."""
        *lines, expression = code.strip().splitlines()
        code = "\n".join([PRELUDE, *lines, f"tell({expression})"])
        return json.loads(self.server.run(code, self.project.path))


# What runs inside the project.


def tell(value):
    """Print `value` for the test."""
    print(json.dumps(value, default=str))  # noqa: T201


def quietly(*command, **options):
    """Return what a management command says."""
    said = StringIO()
    with redirect_stdout(said):
        call_command(*command, **options)
    return said.getvalue()


def makemigrations():
    """Write migrations; yes, all that looks like a rename is one."""
    with mock.patch("builtins.input", return_value="y"):
        quietly("makemigrations", "library")


def make_non_atomic():
    """Leave the transaction out of the migrations that are due."""
    folder = Path(installed.get_app_config("library").path, "migrations")
    for path in folder.glob("000[2-9]*.py"):
        text = path.read_text()
        path.write_text(
            text.replace("    operations =", "    atomic = False\n    operations =")
        )


def operations():
    """Return the names of the operations that are due."""
    loader = executor().loader
    return [
        type(operation).__name__
        for key, migration in sorted(loader.disk_migrations.items())
        if key not in loader.applied_migrations and key[0] == "library"
        for operation in migration.operations
    ]


def migrate(*target):
    # With the checks that it makes when it is called from the command line.
    quietly("migrate", *target, verbosity=0, skip_checks=False)


def changes():
    """Return what ``makemigrations`` would still write: nothing, ordinarily."""
    try:
        return quietly("makemigrations", "--check", "--dry-run", verbosity=0)
    except SystemExit:
        return quietly("makemigrations", "--dry-run")


def attempt(*target):
    """Return how ``migrate`` fails."""
    try:
        migrate(*target)
    except Exception as error:
        # Whatever was not committed is gone, as it would be with the process.
        connection.close()
        connection.connect()
        return f"{type(error).__name__}: {error}"
    return ""


def executor():
    return MigrationExecutor(connection)


def historical():
    """Return the models as the migrations that are applied have left them."""
    state = executor()._create_project_state(with_applied_migrations=True)
    return state.apps


def fields(apps):
    """Return the generic fields of the app."""
    return [
        field
        for model in apps.get_app_config("library").get_models()
        for field in model._meta.local_many_to_many
        if isinstance(field, GM2MField)
    ]


def fill():
    """Make targets, sources and links; return what there is then."""
    apps = historical()
    targets = {}
    for label, objects in {
        "Movie": {"Alien": {}, "Brazil": {}},
        "Opera": {"Tosca": {"pk": TOSCA}},
        "Concert": {"Gig": {"pk": "gig"}},
    }.items():
        for name, attrs in objects.items():
            model = apps.get_model("library", label)
            targets[name] = model.objects.create(name=name, **attrs)
    for model in apps.get_app_config("library").get_models():
        if model.__name__ not in SOURCES:
            continue
        for name, linked in LINKS.items():
            source = model.objects.create(name=name)
            for field in model._meta.local_many_to_many:
                if isinstance(field, GM2MField):
                    getattr(source, field.name).add(*[targets[name] for name in linked])
    return look()


SOURCES = {"User", "Playlist", "Person"}


def links(apps):
    """Return what is linked, by the names of fields and of sources."""
    return {
        f"{field.model.__name__}.{field.name}": {
            source.name: [target.name for target in getattr(source, field.name).all()]
            for source in field.model.objects.order_by("pk")
        }
        for field in fields(apps)
    }


def backlinks():
    """Return what is linked, seen from the targets of the models as they are now."""
    found = {}
    for field in fields(installed):
        if field.reverse_hidden:
            continue
        for model in field.get_related_models(include_auto=True):
            for target in model.objects.order_by("pk"):
                sources = getattr(target, field.accessor_name).order_by("pk")
                found[target.name] = [source.name for source in sources]
    return found


def look():
    """Return the links, and the app's tables with the rows in those between."""
    apps = historical()
    between = {field.m2m_db_table() for field in fields(apps)}
    tables = schema()
    return {
        "links": links(apps),
        "tables": tables,
        "rows": {name: rows(name) for name in tables if name in between},
        "applied": sorted(
            name
            for app, name in executor().loader.applied_migrations
            if app == "library"
        ),
    }


def schema():
    """Return the tables of the app by their names."""
    return {
        name: table(name)
        for name in connection.introspection.table_names()
        if not name.startswith("django_")
    }


def rows(name):
    """Return the rows of a table, columns by name."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)} ORDER BY id")
        columns = [column.name for column in column_info(cursor)]
        return [
            dict(sorted(zip(columns, row, strict=True))) for row in cursor.fetchall()
        ]


def column_info(cursor):
    class Column:
        def __init__(self, description):
            self.name = description[0]

    return map(Column, cursor.description)


def table(name):
    """Return what a table is made of."""
    introspection = connection.introspection
    with connection.cursor() as cursor:
        columns = {
            column.name: [
                introspection.get_field_type(column.type_code, column),
                column.display_size,
            ]
            for column in introspection.get_table_description(cursor, name)
        }
        constraints = introspection.get_constraints(cursor, name).values()
    return {
        "columns": {
            # Back ends measure other columns as well, each in its own way.
            name: f"{kind}({size})" if kind == "CharField" else kind
            for name, (kind, size) in sorted(columns.items())
        },
        "unique": sorted(
            found["columns"]
            for found in constraints
            if found["unique"] and not found["primary_key"]
        ),
        "indexes": sorted(
            found["columns"]
            for found in constraints
            if found["index"] and not found["unique"]
        ),
        "foreign_keys": {
            found["columns"][0]: list(found["foreign_key"])
            for found in sorted(constraints, key=lambda found: found["columns"])
            if found["foreign_key"]
        },
    }


def round_trip():
    """Go to the second version, back to the first, and to the second again."""
    migrate("library", "0001")
    migrate("contenttypes")
    before = fill()
    makemigrations()
    told = {"before": before, "operations": operations()}
    migrate()
    told["after"] = look()
    told["changes"] = changes()
    # Another process would not remember the content types' former names.
    ContentType.objects.clear_cache()
    told["now"] = links(installed)
    told["backlinks"] = backlinks()
    migrate("library", "0001")
    told["back"] = look()
    migrate()
    told["again"] = look()
    return told


def refusal(*target):
    """Return what there was before a ``migrate`` that fails, how, and what there is."""
    before = look()
    error = attempt(*target)
    return {"before": before, "error": error, "after": look()}


__all__ = [name for name in dir() if not name.startswith("_")]
