"""The settings of a worker: one contender, one database."""

from tests.settings import DATABASES as SERVERS

DATABASES = {"default": SERVERS["default"]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "gm2m", "tests.benchmarks"]
SECRET_KEY = "only for benchmarks"
USE_TZ = True
