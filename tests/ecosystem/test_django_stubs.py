"""django-stubs, with its plugin for mypy."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TYPED = HERE / "typed.py"


def expected():
    """Return what the lines of the file say that mypy finds in them."""
    found = {}
    for number, line in enumerate(TYPED.read_text().splitlines(), 1):
        if comment := re.search(r"# (error|note): (.*)", line):
            kind, told = comment.groups()
            found[number] = set(told.split(", ")) if kind == "error" else told
    return found


def test_mypy_finds_what_is_expected():
    options = ["--config-file", str(HERE / "mypy.ini"), "--no-error-summary"]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(TYPED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "INTERNAL ERROR" not in result.stdout + result.stderr
    found = {}
    pattern = rf"^{TYPED.relative_to(ROOT)}:(\d+): (error|note): (.*)$"
    for number, kind, told in re.findall(pattern, result.stdout, re.MULTILINE):
        if kind == "error":
            found.setdefault(int(number), set()).add(told.rpartition("[")[2][:-1])
        elif revealed := re.match('Revealed type is "(.*)"', told):
            found[int(number)] = re.sub(r"\b[a-z_]+\.", "", revealed[1])
    assert found == expected(), result.stdout
