"""
A tour of ``GM2MField``: ``python example_project/manage.py demo``.

Each run starts over with a fresh database. What is indented once in the output is the
code that ran, what is indented twice is what it gave.
"""

from datetime import datetime, timezone
from pathlib import Path

from django.core.management import BaseCommand, call_command
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from library.models import (
    Concert,
    Documentary,
    Movie,
    Opera,
    Page,
    Playlist,
    PlaylistItem,
    Style,
    Viewer,
)
from library.relationships import follow, page_styles

PREFERENCES = {
    "Ada": [
        (Movie, "Casablanca"),
        (Opera, "Tosca"),
        (Documentary, "Man on Wire"),
        (Concert, "The Last Waltz"),
        (Movie, "Seven Samurai"),
    ],
    "Bruno": [
        (Concert, "Keith Jarrett's Köln Concert"),
        (Movie, "Stalker"),
        (Movie, "Casablanca"),
    ],
    "Chiara": [
        (Opera, "La bohème"),
        (Opera, "Falstaff"),
        (Movie, "La Strada"),
        (Movie, "Cinema Paradiso"),
    ],
    "Devi": [
        (Movie, "Pather Panchali"),
        (Movie, "Seven Samurai"),
        (Documentary, "Koyaanisqatsi"),
    ],
    "Emeka": [
        (Documentary, "When We Were Kings"),
        (Concert, "James Brown at the Apollo"),
        (Movie, "Casablanca"),
        (Opera, "Don Giovanni"),
    ],
    "Freya": [
        (Movie, "Persona"),
        (Opera, "Tosca"),
        (Documentary, "March of the Penguins"),
    ],
}

FOLLOWS = [
    ("Ada", "Bruno"),
    ("Bruno", "Chiara"),
    ("Chiara", "Devi"),
    ("Freya", "Chiara"),
    ("Devi", "Ada"),
    ("Devi", "Emeka"),
]


class Command(BaseCommand):
    help = "Starts over with a fresh database and shows what a GM2MField does."

    def handle(self, **options):
        self.start_over()
        self.write_links()
        self.read_from_a_viewer()
        self.read_from_a_title()
        self.look_up()
        self.prefetch()
        self.order_a_playlist()
        self.follow_viewers()
        self.schedule_styles()
        self.delete_a_movie()

    def heading(self, text):
        self.stdout.write(f"\n{text}\n{'-' * len(text)}")

    def show(self, code, result):
        """Print a line of code and what it gave."""
        self.stdout.write(f"  {code}")
        lines = [result] if isinstance(result, (str, int)) else result
        for line in lines:
            self.stdout.write(f"    {line}")

    def start_over(self):
        connection.close()
        Path(connection.settings_dict["NAME"]).unlink(missing_ok=True)
        call_command("migrate", verbosity=0)
        call_command("loaddata", "titles", verbosity=0)
        for name in PREFERENCES:
            Viewer.objects.create(name=name)

        self.heading("The library")
        for model in (Movie, Documentary, Opera, Concert, Viewer):
            name = str(model._meta.verbose_name_plural)
            self.stdout.write(f"  {name:<13}{model.objects.count():>4}")

    def write_links(self):
        for name, titles in PREFERENCES.items():
            viewer = Viewer.objects.get(name=name)
            viewer.preferred_videos.add(
                *(model.objects.get(title=title) for model, title in titles)
            )

        self.heading("Add, create, remove, set")
        devi = Viewer.objects.get(name="Devi")
        koyaanisqatsi = Documentary.objects.get(title="Koyaanisqatsi")
        don_carlos = Opera.objects.get(title="Don Carlos")

        devi.preferred_videos.add(don_carlos, koyaanisqatsi)
        self.show(
            "devi.preferred_videos.add(don_carlos, koyaanisqatsi)  # one is there",
            mixed(devi.preferred_videos.all()),
        )
        devi.preferred_videos.create(
            Documentary,
            title="Faces Places",
            year=2017,
            subject="A journey through rural France",
        )
        self.show(
            'devi.preferred_videos.create(Documentary, title="Faces Places", ...)',
            mixed(devi.preferred_videos.all()),
        )
        devi.preferred_videos.remove(koyaanisqatsi)
        self.show(
            "devi.preferred_videos.remove(koyaanisqatsi)",
            mixed(devi.preferred_videos.all()),
        )
        devi.preferred_videos.set(
            [
                Movie.objects.get(title="Seven Samurai"),
                Concert.objects.get(title="Live Aid"),
            ]
        )
        self.show(
            "devi.preferred_videos.set([seven_samurai, live_aid])",
            mixed(devi.preferred_videos.all()),
        )

    def read_from_a_viewer(self):
        ada = Viewer.objects.get(name="Ada")
        casablanca = Movie.objects.get(title="Casablanca")

        self.heading("From a viewer: four models in one list")
        self.show("ada.preferred_videos.all()", mixed(ada.preferred_videos.all()))
        self.show(
            "ada.preferred_videos.filter(Model=Movie)",
            mixed(ada.preferred_videos.filter(Model=Movie)),
        )
        self.show(
            "ada.preferred_videos.exclude(Model__in=[Movie, Opera])",
            mixed(ada.preferred_videos.exclude(Model__in=[Movie, Opera])),
        )
        self.show(
            'ada.preferred_videos.filter(opera__composer__name="Giacomo Puccini")',
            mixed(ada.preferred_videos.filter(opera__composer__name="Giacomo Puccini")),
        )
        self.show(
            'ada.preferred_videos.instances_of(Movie).order_by("-year")',
            mixed(ada.preferred_videos.instances_of(Movie).order_by("-year")),
        )
        self.show("ada.preferred_videos.count()", ada.preferred_videos.count())
        self.show(
            "casablanca in ada.preferred_videos.all()",
            str(casablanca in ada.preferred_videos.all()),
        )

    def read_from_a_title(self):
        casablanca = Movie.objects.get(title="Casablanca")
        tosca = Opera.objects.get(title="Tosca")
        koeln = Concert.objects.get(slug="koeln-1975")

        self.heading("From a title: its viewers")
        self.show("casablanca.viewer_set.all()", casablanca.viewer_set.all())
        self.show(
            'tosca.viewer_set.exclude(name="Ada")',
            tosca.viewer_set.exclude(name="Ada"),
        )
        koeln.viewer_set.add(Viewer.objects.get(name="Ada"))
        self.show("koeln.viewer_set.add(ada)", koeln.viewer_set.all())

    def look_up(self):
        casablanca = Movie.objects.get(title="Casablanca")

        self.heading("Lookups from both ends")
        self.show(
            'Movie.objects.filter(viewer__name="Ada")',
            Movie.objects.filter(viewer__name="Ada"),
        )
        self.show(
            "Viewer.objects.filter(preferred_videos=casablanca)",
            Viewer.objects.filter(preferred_videos=casablanca),
        )
        self.show(
            "Viewer.objects.filter("
            'preferred_videos__opera__composer__name="Giacomo Puccini")',
            Viewer.objects.filter(
                preferred_videos__opera__composer__name="Giacomo Puccini"
            ),
        )
        movies = Movie.objects.annotate(viewers=Count("viewer"))
        self.show(
            'Movie.objects.annotate(viewers=Count("viewer")).filter(viewers__gt=1)',
            (f"{movie}: {movie.viewers}" for movie in movies.filter(viewers__gt=1)),
        )
        viewers = Viewer.objects.annotate(titles=Count("preferred_videos"))
        self.show(
            'Viewer.objects.annotate(titles=Count("preferred_videos"))',
            (f"{viewer}: {viewer.titles}" for viewer in viewers),
        )

    def prefetch(self):
        self.heading("Prefetching")
        with CaptureQueriesContext(connection) as queries:
            viewers = Viewer.objects.prefetch_related("preferred_videos")
            lines = [
                f"{viewer}: {', '.join(t.title for t in viewer.preferred_videos.all())}"
                for viewer in viewers
            ]
        self.show('Viewer.objects.prefetch_related("preferred_videos")', lines)
        self.stdout.write(
            f"  {len(queries)} queries: the viewers, their links, "
            "and one for each kind of title."
        )

    def order_a_playlist(self):
        playlist = Playlist.objects.create(
            name="Sunday", owner=Viewer.objects.get(name="Ada")
        )
        titles = [
            (3, Movie.objects.get(title="Casablanca")),
            (1, Concert.objects.get(title="Live Aid")),
            (2, Opera.objects.get(title="Tosca")),
        ]
        self.heading("A playlist in its own order: a custom through model")
        for position, title in titles:
            playlist.items.add(title, through_defaults={"position": position})
        self.show(
            'playlist.items.add(title, through_defaults={"position": ...})',
            mixed(playlist.items.all()),
        )
        casablanca = titles[0][1]
        item = playlist.playlistitem_set.get(position=3)
        item.position = 0
        item.save()
        self.show("item.position = 0; item.save()", mixed(playlist.items.all()))
        self.show("casablanca.playlist_set.all()", casablanca.playlist_set.all())

    def follow_viewers(self):
        viewers = {viewer.name: viewer for viewer in Viewer.objects.all()}
        follow.create_connections((viewers[one], viewers[two]) for one, two in FOLLOWS)
        ada, bruno, devi = (viewers[name] for name in ("Ada", "Bruno", "Devi"))

        self.heading("Viewers follow viewers: a relation outside both models")
        self.show("follow.connections", follow.connections.order_by("pk"))
        self.show("devi.follows.all()", devi.follows.all())
        self.show(
            'Viewer.objects.filter(followers__name="Devi")',
            Viewer.objects.filter(followers__name="Devi"),
        )
        self.show(
            "follow.distance_between(ada, devi, limit=3)",
            follow.distance_between(ada, devi, limit=3),
        )
        self.show("follow.path_between(ada, devi)", follow.path_between(ada, devi))
        self.show("follow.mutual(bruno, freya)", follow.mutual(bruno, viewers["Freya"]))
        self.show(
            "follow.reachable_from(ada, max_depth=2)",
            (
                f"{viewer}: {depth}"
                for viewer, depth in follow.reachable_from(ada, max_depth=2).items()
            ),
        )

    def schedule_styles(self):
        home = Page.objects.create(slug="home")
        plain, festive = (Style.objects.create(name=n) for n in ("plain", "festive"))
        for style, start, end in [
            (plain, day(2026, 11, 1), day(2026, 12, 20)),
            (festive, day(2026, 12, 20), day(2026, 12, 31)),
            (plain, day(2026, 12, 31), day(2027, 12, 20)),
        ]:
            page_styles.create_connection(home, style, start_time=start, end_time=end)

        self.heading(
            "A style on a page for some time: connections with characteristics"
        )
        self.show(
            "page_styles.connections_from_object(home)",
            (
                f"{slot.start_time:%d %b %Y}  {slot.to_object}"
                for slot in page_styles.connections_from_object(home)
            ),
        )
        now = day(2026, 12, 24)
        self.show(
            "page_styles.connected_objects("
            "home, start_time__lte=now, end_time__gt=now)",
            page_styles.connected_objects(home, start_time__lte=now, end_time__gt=now),
        )

    def delete_a_movie(self):
        ada = Viewer.objects.get(name="Ada")
        casablanca = Movie.objects.get(title="Casablanca")

        self.heading("Deleting a movie removes its links, and nothing else")
        self.show("before", self.totals())
        casablanca.delete()
        self.show("casablanca.delete()", self.totals())
        self.show("ada.preferred_videos.all()", mixed(ada.preferred_videos.all()))

    def totals(self):
        links = Viewer.preferred_videos.through.objects.count()
        items = PlaylistItem.objects.count()
        viewers = Viewer.objects.count()
        return f"{links} preferred titles, {items} playlist items, {viewers} viewers"


def day(*date):
    return datetime(*date, tzinfo=timezone.utc)


def mixed(titles):
    """Lines that name the model of each title."""
    return (f"{title._meta.verbose_name:<12} {title}" for title in titles)
