"""
Processes that start afresh, yet quickly: forked from one that has imported Django.

Run as a script, this module is that one. It reads requests and answers each with the
exit status of the child that has carried it out.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What children need, and can be imported before there are settings.
MODULES = [
    "asyncio",
    "django.contrib.contenttypes.apps",
    "django.contrib.contenttypes.checks",
    "django.contrib.contenttypes.management",
    "django.core.cache.backends.locmem",
    "django.core.management.commands.makemigrations",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.db.migrations.autodetector",
    "django.db.models.sql.compiler",
    "django.forms",
    "django.middleware.csrf",
    "django.utils.log",
    "django.views.csrf",
    "django.views.debug",
    "django.views.generic",
    "logging.config",
    "unittest.mock",
]


class ForkServer:
    """The process, for as long as the ``with`` block lasts."""

    def __init__(self, *modules):
        self.modules = modules

    def __enter__(self):
        self.process = subprocess.Popen(
            # A module that was just rewritten must not be taken from a cache.
            [sys.executable, "-B", "-W", "error", __file__, *MODULES, *self.modules],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *exception):
        with self.process, suppress(BrokenPipeError):
            self.process.stdin.close()

    def run(self, code, path):
        """Return what `code` prints in the project in the directory `path`."""
        with tempfile.TemporaryDirectory() as output:
            request = {"code": code, "path": str(path), "output": output}
            status = self.ask(json.dumps(request))
            said, complained = (
                Path(output, name).read_text() for name in ("stdout", "stderr")
            )
        assert status == 0, said + complained
        assert complained == "", complained
        return said

    def ask(self, request):
        """Return the status of the child that carries out a request."""
        with suppress(BrokenPipeError):
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The server has ended: {self.process.stderr.read()}")
        return json.loads(answer)


def serve():
    """Fork a child for each request; return the request in the child."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{json.dumps(status)}\n")
        sys.stdout.flush()
    return None


def carry_out(request):
    """Become the process that was asked for."""
    for number, name in enumerate(("stdout", "stderr"), start=1):
        file = os.open(Path(request["output"], name), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["path"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    # In the place of this script's own directory.
    sys.path[0] = request["path"]
    exec(request["code"], {"__name__": "__main__"})


if __name__ == "__main__":
    for module in sys.argv[1:]:
        import_module(module)
    if todo := serve():
        carry_out(todo)
