"""Random queries answer as those over Django's own many-to-many relations do."""

import os
import re
from itertools import combinations
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.answers import ask, difference
from tests.oracle.differences import DIFFERENCES
from tests.oracle.list_queries import list_questions
from tests.oracle.models import Coder, Depot
from tests.oracle.queries import questions
from tests.oracle.schema import CONNECTIONS, FIELDS, KEYS, SOURCES, narrowed
from tests.oracle.worlds import link, make_objects

#: Queries of each kind. A campaign has more.
QUERIES = int(os.environ.get("GM2M_TEST_QUERIES", "100"))

PAIRS = [(source, target) for source in (1, 2, 3) for target in (1, 2, 3)]
#: Which of the pairs of three sources and three targets are linked.
pairs = st.integers(0, 2 ** len(PAIRS) - 1).map(
    lambda bits: [pair for number, pair in enumerate(PAIRS) if bits >> number & 1]
)
pairs_of_models = st.sampled_from([*combinations(KEYS, 2)])


@st.composite
def asked_of_fields(draw, questions):
    """Links by two fields to objects of two models, or of one each, and a question."""
    models = draw(pairs_of_models)
    only = {}
    if draw(st.booleans()):
        only = {field: draw(st.sampled_from(models)) for field in SOURCES}
    links = [
        (field, source, model, target)
        for field in SOURCES
        for model in models
        if only.get(field, model) == model
        for source, target in draw(pairs)
    ]
    schema = narrowed(FIELDS, {"Box", "Maker", *models})
    return links, draw(questions(schema, only))


@st.composite
def asked_of_connections(draw):
    """Connections of three relationships, one of them symmetric, and a question."""
    ends = {"stars": "Depot", "follows": "Coder", "friends": "Coder"}
    links = [
        (name, source, model, target)
        for name, model in ends.items()
        for source, target in draw(pairs)
        if name != "friends" or source <= target
    ]
    return links, draw(questions(CONNECTIONS, {}))


@pytest.fixture
def relationships(define):
    define("oracle_stars", Coder, Depot).attach("stars", "fans")
    define("oracle_follows", Coder, Coder).attach("follows", "followers")
    define("oracle_friends", Coder, Coder, symmetric=True).attach("friends")


@pytest.mark.parametrize(
    ("asked", "schema"),
    [
        (asked_of_fields(questions), FIELDS),
        (asked_of_fields(list_questions), FIELDS),
        (asked_of_connections(), CONNECTIONS),
    ],
    ids=["fields", "lists", "connections"],
)
@pytest.mark.django_db
def test_the_same_answers_as_many_to_manys(asked, schema, relationships):
    make_objects()

    @settings(
        max_examples=QUERIES,
        derandomize="GM2M_TEST_QUERIES" not in os.environ,
        deadline=None,
        # Its directory would be in the source tree.
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(asked)
    def compare(example):
        links, question = example
        with transaction.atomic():
            link(links)
            found = difference(links, question, schema)
            transaction.set_rollback(True)
        assert not found, found

    compare()


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.django_db
def test_what_stays_different(name, relationships):
    make_objects()
    schema, links, differing, same = DIFFERENCES[name]
    link(links)
    assert ask(differing, schema, 0) != ask(differing, schema, 1)
    assert ask(same, schema, 0) == ask(same, schema, 1)


def test_what_stays_different_is_documented():
    limits = Path(__file__).parents[1] / "docs" / "limits.md"
    _, _, section = limits.read_text().partition("## Beside many-to-manys\n")
    table = section.partition("\n## ")[0]
    names = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    assert names[1:] == [*DIFFERENCES]
