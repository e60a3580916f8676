"""What tests of several modules need: registries, projects and databases apart."""

import os
import subprocess
import venv

import pytest
from django.apps import apps as installed
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import isolate_apps

from gm2m.connections import define_relationship, undefine_relationship
from tests.app.models import Plant
from tests.evolution import Evolution
from tests.forkserver import ForkServer
from tests.project import Project

#: Tests with other packages have settings and a session of their own.
collect_ignore = ["ecosystem"]

#: Modules that make projects, many rows or long histories: not for the quick run.
SLOW = {
    "test_alter_operation",
    "test_connections_scale",
    "test_environment",
    "test_existing_library",
    "test_faults",
    "test_conversions",
    "test_historical_models",
    "test_index_upgrade",
    "test_migration_commands",
    "test_migrations",
    "test_migrations_alter",
    "test_migrations_life",
    "test_properties",
    "test_properties_databases",
    "test_scale",
    "test_upgrade",
}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def content_type_of_plants(request):
    """
    Let no query be one for the content type of plants. Their manager hides some: once
    a test has linked one, writes in all tests after it ask which are shown.
    """
    uses_database = request.node.get_closest_marker("django_db")
    if uses_database or {"db", "transactional_db"} & {*request.fixturenames}:
        request.getfixturevalue("db")
        ContentType.objects.get_for_model(Plant)


@pytest.fixture
def registry(monkeypatch):
    """A registry of the test's own, which knows Django's content types."""
    # The models of a test belong to the app of the suite, wherever they are written.
    app = installed.get_app_config("app")
    monkeypatch.setattr(installed, "get_containing_app_config", lambda name: app)
    with isolate_apps(
        "tests.app", "django.contrib.contenttypes", "django.contrib.auth"
    ) as apps:
        apps.register_model("contenttypes", ContentType)
        yield apps
    # The other registry has told it that it has no other relations.
    ContentType._meta._expire_cache()


@pytest.fixture
def define():
    """Define relationships that are forgotten after the test."""
    defined = []

    def define(*args, **options):
        defined.append(define_relationship(*args, **options))
        return defined[-1]

    yield define
    for relationship in defined:
        undefine_relationship(relationship)


@pytest.fixture
def project(tmp_path, django_db_setup, django_db_blocker):
    """A project of the test's own, on an empty database of the server under test."""
    settings = {
        key: connection.settings_dict[key]
        for key in ("ENGINE", "HOST", "OPTIONS", "PASSWORD", "PORT", "USER")
    }
    if connection.vendor == "sqlite":
        yield Project(tmp_path, {**settings, "NAME": str(tmp_path / "db.sqlite3")})
        return
    name = f"{connection.settings_dict['NAME']}_project"
    suffix = connection.creation.sql_table_creation_suffix()
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} {suffix}")
    yield Project(tmp_path, {**settings, "NAME": name})
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def forkserver():
    """Quick processes for a project's code."""
    with ForkServer(f"{connection.settings_dict['ENGINE']}.base") as server:
        yield server


@pytest.fixture
def life(project, forkserver):
    """A project whose models are going to change."""
    return Evolution(project, forkserver)


@pytest.fixture(scope="session")
def existing_library(tmp_path_factory):
    """
    Install django-gm2m 1.4, and return where: not beside this one, whose name it has.
    """
    environment, path = (tmp_path_factory.mktemp(name) for name in ("venv", "library"))
    venv.create(environment, with_pip=True)
    folder = "Scripts" if os.name == "nt" else "bin"
    command = [environment / folder / "python", "-m", "pip", "install", "--quiet"]
    # With the Django and the drivers under test, which are there already.
    options = ["--disable-pip-version-check", "--no-deps", "--target", path]
    subprocess.run([*command, *options, "django-gm2m==1.4"], check=True)
    return path
