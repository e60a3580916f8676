"""Projects of a test's own: processes that start afresh, on a database of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

SETTINGS = """
DATABASES = {{"default": {database!r}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = {apps!r}
SECRET_KEY = "only for tests"
# Tests link what nobody declared, in tables made by hand: each `migrate` would say so.
SILENCED_SYSTEM_CHECKS = ["gm2m.W302", "gm2m.W304"]
USE_TZ = True
"""
#: Makes the tables. The app's have keys to that of content types, which is migrated.
MAKE_TABLES = """
from django.core.management import call_command

call_command("migrate", "contenttypes", verbosity=0)
call_command("migrate", run_syncdb=True, verbosity=0)
"""
APPS = ["django.contrib.contenttypes", "gm2m", "library"]


class Project:
    """A project in the directory `path`, with one app that is called ``library``."""

    def __init__(self, path, database):
        self.path, self.database = path, database
        self.write("library/__init__.py", "")
        self.settings()

    def write(self, name, text):
        """Write a file of the project, which may be there already."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def settings(self, apps=APPS, more=""):
        """Write the settings, with the apps that are installed and `more` lines."""
        text = SETTINGS.format(database=self.database, apps=apps)
        self.write("settings.py", text + more)

    def models(self, text):
        """Write the models of the app, without what all have to import."""
        imports = "from django.db import models\nfrom gm2m import GM2MField\n"
        self.write("library/models.py", imports + text)

    def manage(self, *arguments):
        """Return what a management command says."""
        return self.python("-m", "django", *arguments)

    def run(self, code):
        """Return what `code` prints, with the app's models at hand."""
        prelude = "import django\ndjango.setup()\nfrom library.models import *\n"
        return self.python("-c", prelude + code)

    def migrations(self):
        """Return the names of the app's migrations."""
        files = (self.path / "library/migrations").glob("[0-9]*.py")
        return sorted(path.stem for path in files)

    def migration(self, name):
        """Return the text of one of the app's migrations."""
        return (self.path / f"library/migrations/{name}.py").read_text()

    def fail(self, *arguments):
        """Return what a management command complains of, which has to fail."""
        result = self.process("-m", "django", *arguments)
        assert result.returncode == 1, result.stdout + result.stderr
        return result.stderr

    def python(self, *arguments):
        """Return what Python prints, which has to be content."""
        result = self.process(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == "", result.stderr
        return result.stdout

    def process(self, *arguments):
        """Return the result of a process of Python."""
        return subprocess.run(
            # A module that was just rewritten must not be taken from a cache.
            [sys.executable, "-B", "-W", "error", *arguments],
            cwd=self.path,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONPATH": os.pathsep.join([str(self.path), str(ROOT)]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
