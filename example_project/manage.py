#!/usr/bin/env python
"""The command line of the example site: a small media library built on gm2m."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "library_site.settings")
    execute_from_command_line(sys.argv)
