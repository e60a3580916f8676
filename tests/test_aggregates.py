"""
Conditions on targets where Django makes a subquery of the rows: in aggregates over what
is grouped, distinct or sliced, and beside conditions on windows.
"""

import pytest
from django.core.exceptions import FieldError
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from tests.app.models import Concert, Movie, Opera, Poster, Premiere, User, Vault

pytestmark = pytest.mark.django_db


@pytest.fixture
def targets():
    opera = Opera.objects.create()
    objs = [
        Movie.objects.create(),
        opera,
        Concert.objects.create(code="0"),
        Premiere.objects.create(day="2020-02-29"),
        Poster.objects.create(opera=opera),
    ]
    for obj in objs:
        User.objects.create().preferred_videos.add(obj)
    User.objects.create()
    return objs


@pytest.fixture
def grouped():
    return User.objects.annotate(papers=Count("critic"))


@pytest.mark.parametrize("rows", ["grouped", "distinct", "sliced"])
@pytest.mark.parametrize("number", range(5))
def test_conditions_on_targets_of_each_kind_of_key(targets, grouped, rows, number):
    users = {
        "grouped": grouped,
        "distinct": User.objects.distinct(),
        "sliced": User.objects.order_by("pk")[:9],
    }[rows]
    obj = targets[number]
    model = type(obj)
    name = f"preferred_videos__{model._meta.model_name}"
    for condition in (
        Q(**{name: obj}),
        Q(**{name: obj.pk}),
        Q(**{f"{name}__in": [obj.pk]}),
        Q(**{f"{name}__in": model.objects.all()}),
        Q(**{name: model.objects.order_by("pk").values("pk")[:1]}),
        Q(**{f"{name}__in": [F(name)]}),
        Q(**{f"{name}__isnull": False}),
    ):
        found = users.aggregate(found=Count(name, filter=condition))
        assert found == {"found": 1}, condition
        found = users.aggregate(found=Count("pk", filter=~condition))
        assert found == {"found": 5}, condition


def test_keys_that_the_through_model_keeps_as_they_are():
    opera = Opera.objects.create()
    Vault.objects.create().works.add(opera)
    for condition in (Q(works__opera=opera), Q(works__opera__in=Opera.objects.all())):
        found = Vault.objects.distinct().aggregate(n=Count("pk", filter=condition))
        assert found == {"n": 1}


def test_conditions_beside_one_on_a_window(targets):
    numbered = User.objects.annotate(place=Window(RowNumber(), order_by="pk"))
    found = numbered.filter(Q(place=1) | Q(preferred_videos__opera=targets[1]))
    assert found.count() == 2


def test_objects_of_any_model_are_refused_with_what_to_ask(targets, grouped):
    for condition in (
        Q(preferred_videos=targets[0]),
        Q(preferred_videos__in=targets),
        Q(preferred_videos__in=Movie.objects.all()),
    ):
        with pytest.raises(FieldError, match=r"as in preferred_videos__<model>=…\."):
            grouped.aggregate(found=Count("pk", filter=condition))
    # Where the rows are those of the query itself they can be compared.
    count = Count("pk", filter=Q(preferred_videos=targets[0]))
    assert User.objects.aggregate(found=count) == {"found": 1}
