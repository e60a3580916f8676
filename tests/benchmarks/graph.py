"""
Searches in a graph of 100,000 edges, by this library and by others.

The graph has no cycles, as django-postgresql-dag asks for: each edge leads from an
object to a later one. All contenders have the same edges, and their results are
compared.
"""

import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NODES, EDGES = 20_000, 100_000
TITLES = {
    "connections": "gm2m.connections",
    "dag": "django-postgresql-dag",
    "recursion": "a query for each object",
}
LIMITS = [2, 3, 4, 5]


class Worker:
    """The process of a contender."""

    def __init__(self, name, database, python):
        self.name = name
        self.process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "tests.benchmarks.graphs.worker"],
            cwd=ROOT,
            env={
                **os.environ,
                "GM2M_BENCHMARK_CONTENDER": name,
                "GM2M_TEST_DB": database,
                "GM2M_TEST_DB_NAME": f"gm2m_graph_{name}_{os.getpid()}",
                "PYTHONPATH": str(ROOT),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {TITLES[self.name]} has ended.")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def make_graph():
    """Return the edges, and what each object leads to."""
    chance, edges = random.Random(2026), set()
    while len(edges) < EDGES:
        one, two = sorted(chance.sample(range(NODES), 2))
        edges.add((one, two))
    following = {}
    for one, two in sorted(edges):
        following.setdefault(one, []).append(two)
    return sorted(edges), following


def depths_from(following, start):
    """Return how far all is that can be reached."""
    depths, level = {start: 0}, [start]
    while level:
        found = []
        for node in level:
            for other in following.get(node, []):
                if other not in depths:
                    depths[other] = depths[node] + 1
                    found.append(other)
        level = found
    return depths


def measure_graph(database, rounds, dag_python):
    """Return seconds and queries of each search by each contender."""
    edges, following = make_graph()
    names = [name for name in TITLES if name != "dag" or dag_python]
    results = {}
    workers = []
    try:
        for name in names:
            python = dag_python if name == "dag" else sys.executable
            workers.append(Worker(name, database, python))
        for worker in workers:
            answer = worker.ask("fill", NODES, edges)
            if answer is not None:
                raise SystemExit(f"{TITLES[worker.name]}: {answer['error']}")
        starts = [node for node in range(200) if node in following][:rounds]
        depths = {start: depths_from(following, start) for start in starts}
        for limit in LIMITS:
            goals = {
                start: next(node for node, far in depths[start].items() if far == limit)
                for start in starts
            }
            for kind in ("distance", "reachable"):
                orders = []
                for start in starts:
                    expected = limit
                    if kind == "reachable":
                        expected = sorted(
                            [node, far]
                            for node, far in depths[start].items()
                            if 0 < far <= limit
                        )
                    goal = [goals[start]] if kind == "distance" else []
                    orders.append(([kind, start, *goal, limit], expected))
                results[f"{kind}, {limit} levels"] = {
                    worker.name: carry_out(worker, orders) for worker in workers
                }
    finally:
        for worker in workers:
            worker.close()
    return results


def carry_out(worker, orders):
    """Return the median of what a worker tells of some searches."""
    answers = []
    for order, expected in orders:
        answer = worker.ask(*order)
        if "error" in answer:
            return answer
        result = answer.pop("result")
        if result != expected and not is_deeper(result, expected):
            return {"error": "a wrong result"}
        answers.append({**answer, "exact": result == expected})
    return {
        "exact": all(answer["exact"] for answer in answers),
        "seconds": statistics.median(answer["seconds"] for answer in answers),
        "queries": statistics.median(answer["queries"] for answer in answers),
    }


def is_deeper(result, expected):
    """Return whether the right objects were found, some of them over a longer way."""
    return isinstance(expected, list) and (
        [node for node, _depth in result] == [node for node, _depth in expected]
    )


def show_graph(results):
    """Print a table in Markdown: milliseconds, and queries in parentheses."""
    names = list(next(iter(results.values())))
    print("| search | " + " | ".join(TITLES[name] for name in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for search, found in results.items():
        cells = [cell(found[name]) for name in names]
        print(f"| {search} | " + " | ".join(cells) + " |")


def cell(found):
    """Return one result for the table."""
    if "error" in found:
        return found["error"].partition("\n")[0][:40]
    remark = "" if found["exact"] else ", not the shortest distances"
    return f"{found['seconds'] * 1000:.1f} ({found['queries']:g}){remark}"
