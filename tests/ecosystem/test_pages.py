"""The pages of the documentation about other packages, run from top to bottom."""

import pytest

from tests.pages import ECOSYSTEM, RUN, write

APPS = [
    "auditlog",
    "django_filters",
    "import_export",
    "rest_framework",
    "simple_history",
    "strawberry_django",
]


@pytest.mark.parametrize("path", ECOSYSTEM, ids=lambda path: path.stem)
def test_page_runs_from_top_to_bottom(path, project, forkserver):
    write(project, path, APPS)
    forkserver.run(RUN.format(path=str(path)), project.path)
