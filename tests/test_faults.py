"""
The connection dies before any one of the statements that an operation takes: nothing is
lost, nothing is half-done, and to try again is all there is to do.
"""

import json
from itertools import count

import pytest
from django.core.management import call_command
from django.db import Error, connection

from tests.app.models import Concert, Movie, Opera, User
from tests.faults import dying, revive
from tests.test_conversions import (
    FIELD,
    FILL,
    GENERIC,
    MANY,
    MIGRATION,
    PREPARE,
    entry,
    models,
)

Link = User.preferred_videos.through


class TestWriting:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def things(self):
        movies = [Movie.objects.create(title=str(number)) for number in range(4)]
        operas = [Opera.objects.create(title=str(number)) for number in range(4)]
        concert = Concert.objects.create(code="gig")
        jack, jill = (User.objects.create(name=name) for name in ("Jack", "Jill"))
        jack.preferred_videos.set([*movies[:3], *operas[:3], concert])
        jill.preferred_videos.set([movies[0], operas[0]])
        return movies, operas, concert

    @staticmethod
    def state():
        """Return all that there is."""
        return [
            *Link.objects.order_by("pk").values_list(
                "pk", "gm2m_src", "gm2m_ct", "gm2m_pk"
            ),
            *User.objects.order_by("pk").values_list("pk", "name"),
            *Movie.objects.order_by("pk").values_list("pk"),
            *Opera.objects.order_by("pk").values_list("pk"),
        ]

    def try_every_statement(self, do):
        """Return what there was before and is at last; raise if there is ever more."""
        before = self.state()
        for at in count(1):
            try:
                with dying(at):
                    do()
            except Error:
                died = True
            else:
                died = False
            finally:
                revive()
            if not died:
                assert at > 1  # It was tried at all.
                return before, self.state()
            assert self.state() == before

    @pytest.mark.parametrize(
        ("do", "links"),
        [
            (lambda jack, m, o: jack.preferred_videos.set([m[3], m[1], o[3]]), 3),
            (
                lambda jack, m, o: jack.preferred_videos.set([m[3], m[1]], clear=True),
                2,
            ),
            (lambda jack, m, o: jack.preferred_videos.add(m[3], o[3], m[1]), 9),
            (lambda jack, m, o: jack.preferred_videos.remove(m[0], o[0]), 5),
            (lambda jack, m, o: jack.preferred_videos.clear(), 0),
            (lambda jack, m, o: jack.preferred_videos.create(Opera, title="new"), 8),
            (lambda jack, m, o: m[0].user_set.set([]), 6),
            (lambda jack, m, o: m[3].user_set.create(name="new"), 7),
            (lambda jack, m, o: m[0].delete(), 6),
            (lambda jack, m, o: Movie.objects.all().delete(), 4),
            (lambda jack, m, o: jack.delete(), 0),
        ],
        ids=[
            "set",
            "set with clear",
            "add",
            "remove",
            "clear",
            "create",
            "set from a target",
            "create from a target",
            "delete a target",
            "delete targets",
            "delete a source",
        ],
    )
    def test_methods(self, things, do, links):
        movies, operas, _concert = things
        jack = User.objects.get(name="Jack")

        def once():
            again = [Movie.objects.get(pk=movie.pk) for movie in movies]
            do(User.objects.get(pk=jack.pk), again, operas)

        before, after = self.try_every_statement(once)
        assert before != after
        assert Link.objects.filter(gm2m_src=jack.pk).count() == links

    def test_loaddata(self, things, tmp_path):
        movies, operas, _concert = things
        fixture = [
            {
                "model": "app.user",
                "pk": jack.pk,
                "fields": {
                    "name": "loaded",
                    "preferred_videos": [
                        [["app", "opera"], str(operas[3].pk)],
                        [["app", "movie"], str(movies[2].pk)],
                    ],
                },
            }
            for jack in User.objects.order_by("pk")
        ]
        path = tmp_path / "links.json"
        path.write_text(json.dumps(fixture))
        self.try_every_statement(
            lambda: call_command("loaddata", str(path), verbosity=0)
        )
        for jack in User.objects.all():
            assert jack.name == "loaded"
            assert set(jack.preferred_videos.all()) == {movies[2], operas[3]}


#: Migrates with a connection that dies at each statement in turn, until none is left.
TRY = """
from itertools import count
from tests.faults import dying
before = look_at()
wrong, tried = [], 0
for at in count(1):
    with dying(at):
        error = attempt()
    if not error:
        break
    tried += 1
    found = look_at()
    if found == before or executor().loader.applied_migrations.keys() >= {
        ("library", "0002_more")
    }:
        continue
    # A database that undoes no change of tables has rows all the same.
    most = max((len(rows(name)) for name in schema() if name in between_tables()))
    wrong.append([at, most])
    break
"""
LOOK = """
def between_tables():
    return [name for name in schema() if "videos" in name or name.startswith("gm2m_")
            or name == "library_entry"]
def look_at():
    return {name: (table(name), rows(name)) for name in between_tables()}
"""


@pytest.mark.parametrize("kind", ["many", "generic", "alter"])
def test_migrations(life, kind):
    field = FIELD.format(length=36)
    if kind == "many":
        before = models("videos = models.ManyToManyField(Movie)")
        operation, fill = MANY.format(field=field), "jack.videos.add(*targets)"
    elif kind == "generic":
        before = models("", entry("models.CharField(max_length=36)"))
        operation = GENERIC.format(field=field, options="")
        fill = FILL + "[link(jack, 'movie', target) for target in targets]"
    else:
        before = models("videos = GM2MField(Movie)")
        operation = f"migrations.AlterField('User', 'videos', {field})"
        fill = "jack.videos.add(*targets)"
    life.project.write(
        "library/migrations/0002_more.py", MIGRATION.format(operation=operation)
    )
    tried, wrong, found = life.change(
        before,
        models("videos = GM2MField(Movie, pk_maxlength=36)"),
        PREPARE + fill + LOOK + TRY + "[tried, wrong, not wrong and users()]",
    )
    assert tried > 5
    if connection.features.can_rollback_ddl:
        assert wrong == []
    if wrong:
        # The new table was about to take the place of the old one: it has all rows.
        ((_at, most),) = wrong
        assert most == 2
    else:
        assert found == {"Jack": ["Alien", "Brazil"], "Jill": []}
