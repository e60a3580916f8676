"""
Settings of the test suite: one project, on the database that ``GM2M_TEST_DB`` names.

Every back end has two aliases, ``default`` and ``other``. Where the servers are, and
as whom to talk to them, is read from the environment; the defaults are a local
PostgreSQL that trusts its users and a local MariaDB whose root has no password.
``GM2M_TEST_DB_NAME`` sets the databases' name, so that several runs may share a server.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

DATABASE_NAME = os.environ.get("GM2M_TEST_DB_NAME", "gm2m")


def sqlite(alias_name: str) -> dict[str, Any]:
    """
    A file of this process alone, rather than a database in memory: connections of
    several threads lock each other as they do in production.
    """
    path = str(Path(tempfile.gettempdir()) / f"{alias_name}-{os.getpid()}.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": 20,
            # A test database need not survive a power cut.
            "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY",
        },
        "TEST": {"NAME": path},
    }


def postgres(alias_name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": alias_name,
        "USER": os.environ.get("POSTGRES_USER", "postgres"),
        "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
        "HOST": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("POSTGRES_PORT", "5432"),
        "TEST": {},
    }


def mariadb(alias_name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": alias_name,
        "USER": os.environ.get("MARIADB_USER", "root"),
        "PASSWORD": os.environ.get("MARIADB_PASSWORD", ""),
        "HOST": os.environ.get("MARIADB_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MARIADB_PORT", "3306"),
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_general_ci"},
    }


BACKENDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
    "mariadb": mariadb,
}
BACKEND = os.environ.get("GM2M_TEST_DB", "sqlite")

if BACKEND not in BACKENDS:
    raise ImproperlyConfigured(
        f"GM2M_TEST_DB is {BACKEND!r}; it must be one of {', '.join(BACKENDS)}."
    )

DATABASES = {
    "default": BACKENDS[BACKEND](DATABASE_NAME),
    "other": BACKENDS[BACKEND](f"{DATABASE_NAME}_other"),
}
for database in DATABASES.values():
    # The tables are made straight from the models: replaying the migrations of
    # Django's own applications would take longer than most test modules.
    database["TEST"]["MIGRATE"] = False

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "gm2m",
    "gm2m.connections",
    "tests.app",
    "tests.lithub",
    "tests.oracle",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The admin of a test user is logged in by hundreds of tests: hashing may be quick.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT_URLCONF = "tests.urls"
SECRET_KEY = "only for tests"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
# MariaDB's doubts about a model of tests.lithub, whose keys are longer than those that
# connections hold.
SILENCED_SYSTEM_CHECKS = ["mysql.W003"]
