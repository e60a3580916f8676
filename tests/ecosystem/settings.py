"""Settings of the tests with other packages: those of the suite, and the packages."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OWN_APPS

INSTALLED_APPS = [
    "unfold",
    *OWN_APPS,
    "django.contrib.staticfiles",
    "auditlog",
    "debug_toolbar",
    "django_filters",
    "drf_spectacular",
    "import_export",
    "polymorphic",
    "rest_framework",
    "simple_history",
    "strawberry_django",
    "taggit",
    "tests.ecosystem",
]

ROOT_URLCONF = "tests.ecosystem.urls"
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
