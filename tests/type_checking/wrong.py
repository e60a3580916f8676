"""Mistakes that checkers are to find: each is on a line that says so."""

from tests.type_checking.models import Movie, Viewer


def wrong(viewer: Viewer, movie: Movie) -> None:
    assert viewer.videos.first().title  # error: it may be None
    assert viewer.videos.all()[0].year  # error: no model has it
    viewer.videos.create(title="Stalker")  # error: of which model?
    viewer.videos.add_relation(Movie)  # error: that is the class's, not the manager's
    viewer.videos.set(movie)  # error: not iterable
    viewer.videos.instances_of(7)  # error: no model
