"""Configuration of Sphinx."""

from importlib import metadata

project = "django-gm2m"
author = "django-gm2m contributors"
copyright = f"2026, {author}"
release = metadata.version("django-gm2m")
version = release.partition(".dev")[0]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
# Every heading can be linked to, check ids among them.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = f"django-gm2m {version}"
