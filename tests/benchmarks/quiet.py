"""What the field costs a large project that does something else."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TITLES = {
    "none": "no such field",
    "as_many": "20 ManyToManyFields",
    "as_capable": "60 ManyToManyFields",
    "gm2m": "20 GM2MFields of 3 models",
}


def run(name, database, scratch, order):
    """Have a process of the large project carry out an order; return its output."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.large.worker", order],
        check=True,
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.large.settings",
            "GM2M_BENCHMARK_CONTENDER": name,
            "GM2M_BENCHMARK_DIRECTORY": str(scratch),
            "GM2M_TEST_DB": database,
            "GM2M_TEST_DB_NAME": f"gm2m_quiet_{name}_{os.getpid()}",
        },
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def measure(database, rounds, scratch, say):
    """Return the median of what each does in a new process, by what it does."""
    times = {name: [] for name in TITLES}
    try:
        for name in TITLES:
            say(f"creating: {TITLES[name]}")
            run(name, database, scratch, "create")
        for turn in range(rounds + 1):
            say(f"{turn} of {rounds}")
            for name in TITLES:
                told = json.loads(run(name, database, scratch, "time"))
                # The first is to warm up.
                times[name] += [told] if turn else []
    finally:
        for name in TITLES:
            run(name, database, scratch, "destroy")
    return {
        what: {
            name: statistics.median(told[what] for told in times[name])
            for name in TITLES
        }
        for what in times["none"][0]
    }


def rows(results):
    """Yield the rows of a table: milliseconds, and the change in per cent."""
    for what, found in results.items():
        none = found["none"]
        yield [
            what,
            f"{none * 1000:.1f}",
            *(
                f"{seconds * 1000:.1f} ({(seconds / none - 1) * 100:+.0f} %)"
                for name, seconds in found.items()
                if name != "none"
            ),
        ]
