"""An object of any model as one string."""

import pytest

from gm2m.identifiers import identifier, split_identifier
from tests.app.models import Concert, Movie


def test_identifier_of_an_object():
    movie = Movie(pk=7)
    assert identifier(movie) == "app.movie:7"
    assert split_identifier(identifier(movie)) == ("app.movie", "7")


def test_keys_may_be_empty():
    assert identifier(Concert(code="")) == "app.concert:"
    assert split_identifier("app.concert:") == ("app.concert", "")


def test_keys_may_hold_colons_and_dots():
    assert split_identifier("app.note:a:b.c:") == ("app.note", "a:b.c:")


@pytest.mark.parametrize(
    "value",
    ["", ":", "a:b", "x", "app.movie", ".movie:1", "a.b.c:1", None, 7],
)
def test_what_is_no_identifier(value):
    with pytest.raises(ValueError, match="does not identify an object"):
        split_identifier(value)
