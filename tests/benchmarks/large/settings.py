"""The settings of the large project."""

import os
from pathlib import Path

from tests.settings import DATABASES as SERVERS

DATABASES = {"default": SERVERS["default"]}
if os.environ["GM2M_TEST_DB"] == "sqlite":
    # In a file, which the next process opens.
    name = os.environ["GM2M_TEST_DB_NAME"]
    path = str(Path(os.environ["GM2M_BENCHMARK_DIRECTORY"]) / f"{name}.sqlite3")
    DATABASES["default"].update(NAME=path, TEST={"NAME": path})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "gm2m", "tests.benchmarks.large"]
SECRET_KEY = "only for benchmarks"
USE_TZ = True
