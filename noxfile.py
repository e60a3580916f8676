"""The contributor's menu: ``nox -l`` lists it, ``nox`` alone runs the quick tests."""

import os
import shutil
import sys
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["tests"]
nox.options.reuse_venv = "yes"
# The quicker one, where it is installed.
nox.options.default_venv_backend = "uv|virtualenv"

PYPROJECT = nox.project.load_toml("pyproject.toml")
NEWEST_PYTHON = "3.13"

# Every Django on every database, and every Python at least once. Django 6.0 asks
# for Python 3.12.
MATRIX = [
    ("3.10", "5.2", "sqlite"),
    ("3.11", "5.2", "postgres"),
    ("3.12", "5.2", "mariadb"),
    ("3.12", "6.0", "sqlite"),
    ("3.13", "6.0", "postgres"),
    ("3.12", "6.0", "mariadb"),
    ("3.13", "6.1", "sqlite"),
    ("3.12", "6.1", "postgres"),
    ("3.13", "6.1", "mariadb"),
]
# Where slow tests run too, and coverage is measured, which takes half as long again:
# each Django and each database once. `nox -s matrix -- tests` runs all everywhere.
FULL = {("5.2", "mariadb"), ("6.0", "postgres"), ("6.1", "sqlite")}
# How often a campaign tries, unless the environment says otherwise.
CAMPAIGN = {
    "GM2M_TEST_HISTORIES": 10_000,
    "GM2M_TEST_ROUNDS": 1_000,
    "GM2M_TEST_FIXTURES": 10_000,
    # Of each kind: of fields, of mixed lists, of connections.
    "GM2M_TEST_QUERIES": 7_000,
}


def group(*names: str) -> list[str]:
    """The requirements of dependency groups, for any version of pip."""
    return [
        requirement
        for name in names
        for requirement in nox.project.dependency_groups(PYPROJECT, name)
    ]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick tests on SQLite, with this Python and its newest Django."""
    session.install("--upgrade", "-e", ".", *group("tests"))
    # The matrix runs the slow ones too; so does `nox -s tests -- -m slow`.
    args = session.posargs or ("-m", "not slow")
    session.run("pytest", "-n", "2", *args, env={"GM2M_TEST_DB": "sqlite"})


@nox.session
@nox.parametrize(
    "python,django,database",
    [
        nox.param(
            python,
            django,
            database,
            id=f"django{django}-{database}",
            tags=[f"django{django}", database],
        )
        for python, django, database in MATRIX
    ],
)
def matrix(session: nox.Session, django: str, database: str) -> None:
    """Run the tests on one Django and one database."""
    groups = ["tests"] if database == "sqlite" else ["tests", database]
    session.install("--upgrade", "-e", ".", f"Django~={django}.0", *group(*groups))
    cell = f"django{django}-{database}"
    env = {
        "GM2M_TEST_DB": database,
        # A name of its own, so that cells may run side by side.
        "GM2M_TEST_DB_NAME": "_".join(
            [os.environ.get("GM2M_TEST_DB_NAME", "gm2m"), database, *django.split(".")]
        ),
        "COVERAGE_FILE": str(Path(f".coverage.{cell}").resolve()),
    }
    pytest: tuple[str, ...] = ("python", "-m", "pytest")
    is_full = (django, database) in FULL
    if is_full:
        pytest = ("coverage", "run", "-m", "pytest")
        session.run("coverage", "erase", env=env)
    args = session.posargs or (() if is_full else ("-m", "not slow"))
    try:
        session.run(*pytest, "-n", "2", *args, env=env)
    except nox.command.CommandFailed:
        # What failed fails alone as well, or depends on other tests: that is told
        # above, and to be mended, but not the library's fault.
        session.run(*pytest, "--last-failed", *args, env=env)
    if is_full:
        session.run("coverage", "combine", "--quiet", env=env)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """Run what .ci/run has no time for: every test in every cell, a short campaign."""
    for _python, django, database in MATRIX:
        session.notify(f"matrix(django{django}-{database})", posargs=["tests"])
    for name, many in CAMPAIGN.items():
        os.environ.setdefault(name, str(many // 10))
    session.notify(f"campaign-{NEWEST_PYTHON}", posargs=[])


@nox.session(python=NEWEST_PYTHON, default=False)
def campaign(session: nox.Session) -> None:
    """Try for hours to break it: -- [sqlite] [postgres] [mariadb]."""
    drivers = ("postgres", "mariadb")
    session.install("--upgrade", "-e", ".", *group("tests", *drivers))
    numbers = {name: os.environ.get(name, str(many)) for name, many in CAMPAIGN.items()}
    for database in session.posargs or ("sqlite", *drivers):
        session.run(
            "pytest",
            "tests/test_oracle.py",
            "tests/test_properties.py",
            "tests/test_properties_databases.py",
            "tests/test_concurrency.py",
            "tests/test_faults.py",
            "tests/test_serialization.py::TestJunk",
            env={**numbers, "GM2M_TEST_DB": database},
        )


@nox.session
@nox.parametrize(
    "python,django",
    [
        nox.param(python, django, id=f"django{django}")
        for python, django in (("3.12", "5.2"), ("3.12", "6.0"), ("3.13", "6.1"))
    ],
)
def ecosystem(session: nox.Session, django: str) -> None:
    """Run the tests with other packages, in their current releases, on one Django."""
    requirements = group("tests", "postgres", "mariadb", "ecosystem")
    session.install("--upgrade", "-e", ".[drf]", f"Django~={django}.0", *requirements)
    settings = ("--ds", "tests.ecosystem.settings", "-p", "no:cacheprovider")
    run = ("coverage", "run", "-m", "pytest", "-n", "2", *settings)
    name = os.environ.get("GM2M_TEST_DB_NAME", "gm2m")
    env = {
        "GM2M_TEST_DB": "sqlite",
        "GM2M_TEST_DB_NAME": f"{name}_ecosystem_{django.replace('.', '_')}",
        "COVERAGE_FILE": str(Path(session.create_tmp()).resolve() / ".coverage"),
    }
    session.run("coverage", "erase", env=env)
    session.run(*run, *(session.posargs or ["tests/ecosystem"]), env=env)
    if session.posargs:
        return
    session.run("coverage", "combine", "--quiet", env=env)
    only = ("--include=gm2m/rest_framework/*", "--omit=tests/*", "--fail-under=100")
    session.run("coverage", "report", *only, env=env)
    # What was sent meets other databases, too.
    for database in ("postgres", "mariadb"):
        env["GM2M_TEST_DB"] = database
        rest = [
            str(path) for path in sorted(Path("tests/ecosystem").glob("test_rest*"))
        ]
        session.run("pytest", "-n", "2", *settings, *rest, env=env)


@nox.session
def coverage(session: nox.Session) -> None:
    """Combine what the matrix measured; less than agreed fails."""
    session.install(*group("tests"))
    session.run("coverage", "combine", "--keep", "--quiet")
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style and the format of the code."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(name="format", default=False)
def format_(session: nox.Session) -> None:
    """Rewrite the code as the lint session wants it, as far as a tool can."""
    session.install(*group("lint"))
    session.run("ruff", "check", "--fix-only", ".")
    session.run("ruff", "format", ".")


@nox.session(python=NEWEST_PYTHON)
def types(session: nox.Session) -> None:
    """Check the types: the library's own, and what checkers make of its users' code."""
    session.install("-e", ".", *group("types"))
    session.run("mypy", *session.posargs)
    session.run("python", "-m", "tests.type_checking")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports between the library's modules point one way."""
    session.install("-e", ".", *group("imports"))
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning fails it."""
    session.install("-e", ".", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-E", "docs", "docs/_build")


@nox.session(python=NEWEST_PYTHON, default=False)
def benchmark(session: nox.Session) -> None:
    """Measure: -- [sqlite|postgres|mariadb] [operations|growth|memory|quiet|graph]."""
    drivers = {"postgres", "mariadb"}.intersection(session.posargs)
    session.install("-e", ".", *group("benchmarks", *drivers))
    # Not beside this library, whose name it has.
    existing = Path(session.create_tmp()).resolve() / "django-gm2m-1.4"
    session.install("--no-deps", "--target", str(existing), "django-gm2m==1.4")
    args = ("--existing", str(existing), *session.posargs)
    if {"graph", "postgres"} <= {*session.posargs}:
        # It may want other versions of all the rest.
        dag = Path(session.create_tmp()).resolve() / "dag"
        session.run("python", "-m", "venv", str(dag))
        python = dag / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        session.run(
            str(python),
            *("-m", "pip", "install", "--quiet", "django-postgresql-dag==2026.7.1"),
            *group("postgres"),
            external=True,
        )
        args = ("--dag", str(python), *args)
    session.run("python", "-m", "tests.benchmarks", *args)


@nox.session
def demo(session: nox.Session) -> None:
    """Install the library as a user does, and run the example project's demo."""
    session.install(".")
    session.run("python", "example_project/manage.py", "demo")


@nox.session(python=NEWEST_PYTHON)
def browser(session: nox.Session) -> None:
    """Try the example project's admin in Chromium, which has to be installed."""
    session.install("--upgrade", "-e", ".", *group("tests", "browser"))
    session.run("pytest", "-p", "no:randomly", "tests/browser.py", *session.posargs)


@nox.session(name="release-check")
def release_check(session: nox.Session) -> None:
    """Build the distributions, look into them, and run the example from the wheel."""
    session.install("build", "twine")
    workplace = Path(session.create_tmp()).resolve()
    shutil.rmtree(workplace)
    session.run("python", "-m", "build", "--outdir", str(workplace))
    distributions = [str(path) for path in sorted(workplace.iterdir())]
    session.run("twine", "check", "--strict", *distributions)
    (wheel,) = workplace.glob("*.whl")
    check_wheel(session, wheel)

    venv = workplace / "venv"
    session.run("python", "-m", "venv", str(venv))
    python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    session.run(str(python), "-m", "pip", "install", "--quiet", wheel, external=True)
    manage = Path("example_project/manage.py").resolve()
    with session.chdir(workplace):
        strict = (str(python), "-W", "error")
        session.run(*strict, "-c", IMPORT_CHECK, external=True)
        session.run(*strict, str(manage), "check", external=True)
        session.run(*strict, str(manage), "demo", external=True)


@nox.session(python=NEWEST_PYTHON, default=False)
def prerelease(session: nox.Session) -> None:
    """Run the quick tests on Django's next version, when there is one to try."""
    session.install("-e", ".", *group("tests"))
    session.install("--pre", "--upgrade", "Django")
    version = "import django; print(django.VERSION[3])"
    if "final" in str(session.run("python", "-c", version, silent=True)):
        session.skip("PyPI has no version of Django newer than the last release.")
    args = session.posargs or ("-m", "not slow")
    session.run("pytest", "-n", "2", *args, env={"GM2M_TEST_DB": "sqlite"})


def check_wheel(session: nox.Session, wheel: Path) -> None:
    """Fail unless the wheel holds the typed package, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    strays = [
        name
        for name in names
        if name.split("/")[0] != "gm2m" and ".dist-info" not in name.split("/")[0]
    ]
    if strays:
        session.error(f"the wheel holds more than the package: {', '.join(strays)}")
    for expected in ("gm2m/__init__.py", "gm2m/py.typed"):
        if expected not in names:
            session.error(f"the wheel lacks {expected}")


IMPORT_CHECK = """
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "gm2m"])
django.setup()

from gm2m import GM2MField

print(GM2MField, "of", GM2MField.__module__)
"""
