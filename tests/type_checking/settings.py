"""The settings that mypy's plugin loads."""

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "gm2m",
    "tests.type_checking",
]
SECRET_KEY = "only for type checkers"
