"""
Have type checkers read the examples: mypy with and without django-stubs' plugin, and
pyright. They are to find the errors that comments announce, and no others.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FILES = [HERE / "models.py", HERE / "wrong.py"]
PLAIN = "[mypy]\nstrict = true\n"
PLUGIN = (
    f"{PLAIN}plugins = mypy_django_plugin.main\n"
    "[mypy.plugins.django-stubs]\n"
    "django_settings_module = tests.type_checking.settings\n"
)


def output(*command):
    found = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False
    )
    if found.returncode > 1:
        sys.exit(found.stdout + found.stderr)
    return found.stdout


def mypy(config):
    """Yield the places and texts of mypy's errors."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "mypy.ini"
        path.write_text(config)
        options = ("--config-file", str(path), "--cache-dir", scratch)
        lines = output("mypy", *options, *map(str, FILES))
    for name, line, text in re.findall(r"^(.+?):(\d+): error: (.+)$", lines, re.M):
        yield Path(name).name, int(line), text


def pyright(_config):
    """Yield the places and texts of pyright's errors."""
    arguments = ("--outputjson", "--pythonpath", sys.executable, *map(str, FILES))
    for found in json.loads(output("pyright", *arguments))["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            yield Path(found["file"]).name, line, found["message"]


def main():
    expected = {
        (path.name, number)
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "# error" in line
    }
    failed = not expected
    for title, checker, config in (
        ("mypy", mypy, PLAIN),
        ("mypy with the plugin of django-stubs", mypy, PLUGIN),
        ("pyright", pyright, None),
    ):
        found = {(name, line): text for name, line, text in checker(config)}
        for place in sorted(expected - found.keys()):
            print(f"{title}: no error at {place}")
        for place in sorted(found.keys() - expected):
            print(f"{title}: {place}: {found[place]}")
        failed = failed or found.keys() != expected
        print(f"{title}: {len(found)} errors, {len(expected)} expected")
    sys.exit(failed)


main()
