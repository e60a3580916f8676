"""Start the contenders, have them take turns, and report."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import django

from tests.benchmarks import quiet
from tests.benchmarks.graph import measure_graph, show_graph

ROOT = Path(__file__).parent.parent.parent
YARDSTICK = "many_to_many"
TITLES = {
    "gm2m": "GM2MField",
    "many_to_many": "three ManyToManyFields",
    "by_hand": "by hand",
    "django_gm2m_1_4": "django-gm2m 1.4",
}
SIZES = [1_000, 10_000, 100_000, 1_000_000]
STREAMED = 100_000


class Worker:
    """The process of a contender."""

    def __init__(self, name, database, path):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", ROOT / "tests/benchmarks/worker.py", path],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
                "GM2M_BENCHMARK_CONTENDER": name,
                "GM2M_TEST_DB": database,
                "GM2M_TEST_DB_NAME": f"gm2m_benchmark_{name}_{os.getpid()}",
                "PYTHONPATH": str(ROOT),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.operations, self.growing = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {TITLES[self.name]} has ended.")
        return json.loads(line)

    def ask(self, *order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def expect(self, *order):
        """Have an order carried out without which there is nothing to measure."""
        answer = self.ask(*order)
        if answer is not None:
            raise SystemExit(f"{TITLES[self.name]}: {answer['error']}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def say(text):
    """Show how far it has come, to somebody who is watching."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def take_turns(workers, kind, name, rounds):
    """
    Return the result of an operation for each worker: seconds, queries, and how many
    times as long it takes as the yardstick in the same round.
    """
    results = {}
    for worker in workers:
        say(f"{name}: {TITLES[worker.name]}")
        results[worker.name] = worker.ask(f"check{kind}", name)
    able = [worker for worker in workers if "error" not in results[worker.name]]
    times = {worker.name: [] for worker in able}
    for turn in range(rounds + 1):
        say(f"{name}: {turn} of {rounds}")
        for worker in able:
            # The first is to warm up.
            seconds = worker.ask(f"time{kind}", name)["seconds"]
            times[worker.name] += [seconds] if turn else []
    for worker in able:
        own, yardstick = times[worker.name], times[YARDSTICK]
        results[worker.name]["seconds"] = statistics.median(own)
        results[worker.name]["best"] = min(own)
        results[worker.name]["ratio"] = statistics.median(
            one / other for one, other in zip(own, yardstick, strict=True)
        )
    return results


def measure_operations(workers, rounds):
    """Time every operation on 10,000 links."""
    for worker in workers:
        say(f"filling: {TITLES[worker.name]}")
        worker.expect("fill", 500)
    return {
        name: take_turns(workers, "", name, rounds) for name in workers[0].operations
    }


def measure_growth(workers, rounds):
    """Time what has a fixed result at each size, without statistics of the tables."""
    results = {}
    for size in SIZES:
        for worker in workers:
            say(f"growing to {size:,}: {TITLES[worker.name]}")
            worker.expect(*(("fill", 50) if size == SIZES[0] else ("grow", size)))
        results[size] = {
            name: take_turns(workers, " growing", name, rounds)
            for name in workers[0].growing
        }
    return results


def measure_memory(workers, rounds):
    """Read a hundred thousand targets as a stream."""
    results = {}
    for worker in workers:
        say(f"streaming: {TITLES[worker.name]}")
        worker.expect("fill", 50)
        results[worker.name] = worker.ask("stream", STREAMED)
    return results


def ratio(results, name):
    """Return a result as a multiple of the yardstick's, or what went wrong."""
    if "error" in results[name]:
        return results[name]["error"].partition(":")[0]
    return f"{results[name]['ratio']:.2f}"


def show(header, rows):
    """Print a table in Markdown."""
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def show_operations(results):
    others = [name for name in TITLES if name != YARDSTICK]
    header = ["operation", f"{TITLES[YARDSTICK]}, ms", *(TITLES[n] for n in others)]
    rows = []
    for operation, found in results.items():
        queries = [
            f" ({found[name]['queries']})" if "queries" in found[name] else ""
            for name in others
        ]
        yardstick = found[YARDSTICK]
        rows.append(
            [
                operation,
                f"{yardstick['seconds'] * 1000:.2f} ({yardstick['queries']})",
                *(
                    ratio(found, name) + number
                    for name, number in zip(others, queries, strict=True)
                ),
            ]
        )
    show(header, rows)


def show_growth(results):
    """
    Print how many times as long each operation takes at each size as at first: the
    quickest rounds, as there is nothing to compare with in the same one.
    """
    first = results[SIZES[0]]
    header = ["operation", "contender", *(f"{size:,}" for size in SIZES)]
    rows = []
    for operation in first:
        for name in TITLES:
            if "error" in first[operation][name]:
                continue
            start = first[operation][name]["best"]
            sizes = [
                f"{results[size][operation][name]['best'] / start:.2f}"
                for size in SIZES[1:]
            ]
            rows.append([operation, TITLES[name], f"{start * 1000:.2f} ms", *sizes])
    show(header, rows)


def show_memory(results):
    header = ["contender", "targets", "first, ms", "peak, MiB"]
    rows = [
        [
            TITLES[name],
            found["targets"],
            f"{found['first'] * 1000:.1f}",
            f"{found['bytes'] / 2**20:.1f}",
        ]
        for name, found in results.items()
        if "error" not in found
    ]
    show(header, rows)


def show_quiet(results):
    show(["", *quiet.TITLES.values()], quiet.rows(results))


def plot_growth(results, path):
    """Draw a panel for each operation, and a line for each contender."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    operations = list(results[SIZES[0]])
    columns = 4
    figure, axes = pyplot.subplots(
        -(-len(operations) // columns), columns, figsize=(16, 10), squeeze=False
    )
    for axis, operation in zip(axes.flat, operations, strict=False):
        for name, title in TITLES.items():
            found = [results[size][operation][name] for size in SIZES]
            if all("best" in one for one in found):
                times = [one["best"] * 1000 for one in found]
                axis.loglog(SIZES, times, marker="o", label=title)
        axis.set_title(operation)
        axis.set_xlabel("links")
        axis.set_ylabel("ms")
    axes.flat[0].legend()
    figure.tight_layout()
    figure.savefig(path)


KINDS = {
    "operations": (measure_operations, show_operations),
    "growth": (measure_growth, show_growth),
    "memory": (measure_memory, show_memory),
}


def compete(measure, database, options):
    """Start the contenders' processes, and return what is measured of them."""
    names = [name for name in TITLES if name != "django_gm2m_1_4" or options.existing]
    for name in set(TITLES).difference(names):
        del TITLES[name]
    workers = []
    try:
        for name in names:
            path = options.existing if name == "django_gm2m_1_4" else ""
            workers.append(Worker(name, database, path))
        return measure(workers, options.rounds)
    finally:
        for worker in workers:
            worker.close()


def main():
    parser = argparse.ArgumentParser(prog="tests.benchmarks")
    parser.add_argument(
        "database", nargs="?", choices=["sqlite", "postgres", "mariadb"]
    )
    kinds = [*KINDS, "graph", "quiet"]
    parser.add_argument("kind", nargs="?", choices=kinds, default="operations")
    parser.add_argument("--existing", default="", help="where django-gm2m 1.4 is")
    parser.add_argument("--dag", default="", help="a Python with django-postgresql-dag")
    parser.add_argument("--output", default=".benchmarks", type=Path)
    parser.add_argument("--rounds", default=7, type=int)
    options = parser.parse_args()
    database, kind = options.database or "sqlite", options.kind
    if kind == "graph":
        show_results = show_graph
        results = measure_graph(database, options.rounds, options.dag)
    elif kind == "quiet":
        show_results = show_quiet
        with tempfile.TemporaryDirectory() as scratch:
            results = quiet.measure(database, options.rounds, scratch, say)
    else:
        measure, show_results = KINDS[kind]
        results = compete(measure, database, options)
    say("")
    print(
        f"{database}, {kind}: Django {django.__version__}, Python "
        f"{platform.python_version()}, {platform.machine()}\n"
    )
    show_results(results)
    options.output.mkdir(exist_ok=True)
    stem = options.output / f"{database}-{kind}"
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1))
    if kind == "growth":
        plot_growth(results, stem.with_suffix(".svg"))


if __name__ == "__main__":
    main()
