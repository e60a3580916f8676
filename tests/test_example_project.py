"""The example project: its demo, its migrations and its admin."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "example_project"


class Example:
    """The example project on a database in the directory `path`."""

    def __init__(self, path):
        self.database = path / "example.sqlite3"

    def manage(self, *arguments):
        """Return what a management command says."""
        return self.python(str(EXAMPLE / "manage.py"), *arguments)

    def run(self, code):
        """Return what `code` prints."""
        return self.python("-c", "import django\ndjango.setup()\n" + code)

    def python(self, *arguments):
        """Return what Python prints, which has to be content."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "library_site.settings",
            "EXAMPLE_DATABASE": str(self.database),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join([str(EXAMPLE), str(ROOT)]),
        }
        result = subprocess.run(
            [sys.executable, "-B", "-W", "error", *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == ""
        return result.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return Example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def output(example):
    """What the demo prints; it leaves a database behind."""
    return example.manage("demo")


def test_demo_says_the_same_again(example, output):
    assert example.database.exists()
    assert example.manage("demo") == output


def test_demo_says_what_the_readme_shows(output):
    """In the same order; what is left out are whole lines."""
    readme = (ROOT / "README.md").read_text()
    (excerpt,) = re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    lines = [line for line in excerpt.splitlines() if line]
    assert len(lines) > 20
    said = iter(output.splitlines())
    # Each line is looked for behind the one before.
    assert [line for line in lines if line not in said] == []


def test_migrations_are_up_to_date(example, output):
    assert example.manage("makemigrations", "--check") == "No changes detected\n"


def test_checks_are_silent(example, output):
    said = example.manage("check", "--database", "default", "--fail-level", "INFO")
    assert "no issues" in said


ADMIN = """
from django.contrib.auth import get_user_model
from django.test import Client
from library.models import Movie, Viewer

user, _ = get_user_model().objects.get_or_create(
    username="librarian", is_staff=True, is_superuser=True
)
# Of the hosts that are allowed where DEBUG is on.
client = Client(headers={"host": "localhost"})
client.force_login(user)
for obj in (Viewer.objects.get(name="Ada"), Movie.objects.get(title="Stalker")):
    url = f"/admin/library/{obj._meta.model_name}/{obj.pk}/"
    for page in ("change", "delete"):
        print(page, client.get(url + page + "/").status_code)
"""


def test_admin_shows_and_changes_both_ends(example, output):
    assert example.run(ADMIN) == "change 200\ndelete 200\n" * 2
