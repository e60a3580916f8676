"""django-filter."""

import pytest
from django_filters import CharFilter, FilterSet, ModelMultipleChoiceFilter

from gm2m.choices import choose
from gm2m.identifiers import identifier

from .models import Movie, Opera, Viewer

pytestmark = pytest.mark.django_db


def filters(source, names, **attrs):
    """Return a filter set for `names` of a model."""
    attrs["Meta"] = type("Meta", (), {"model": source, "fields": names})
    return type("TestFilter", (FilterSet,), attrs)


def found(filter_set, source=Viewer, **data):
    bound = filter_set(data, queryset=source.objects.all())
    assert bound.is_valid(), bound.errors
    return list(bound.qs)


@pytest.mark.parametrize("names", ["__all__", ["name", "preferred_videos"]], ids=str)
@pytest.mark.parametrize("value", ["1", "ecosystem.movie:1", "x", "nope.nope:1", "\0"])
def test_the_field_itself_offers_nothing(library, names, value):
    """Rather than content types, or the keys of links."""
    bound = filters(Viewer, names)({"preferred_videos": [value]}, Viewer.objects.all())
    assert not bound.is_valid()
    assert list(bound.errors) == ["preferred_videos"]
    assert "<option" not in str(bound.form["preferred_videos"])


def test_the_reverse_side(library):
    by_viewer = filters(Movie, ["title", "viewer"])
    assert found(by_viewer, Movie, viewer=[library.ada.pk]) == [library.casablanca]
    assert found(by_viewer, Movie, viewer=[library.bruno.pk]) == []


def test_lookups_through_the_field(library):
    names = {
        "preferred_videos": ["isnull"],
        "preferred_videos__ecosystem_movie__title": ["exact", "icontains"],
        "preferred_videos__ecosystem_movie__year": ["gt"],
        "preferred_videos__ecosystem_movie__director": ["exact"],
    }
    by_movie = filters(Viewer, names)
    prefix = "preferred_videos__ecosystem_movie__"
    for data, viewers in (
        ({f"{prefix}title": "Casablanca"}, [library.ada]),
        ({f"{prefix}title__icontains": "CASA"}, [library.ada]),
        ({f"{prefix}year__gt": "1950"}, []),
        ({f"{prefix}director": str(library.curtiz.pk)}, [library.ada]),
        ({"preferred_videos__isnull": "true"}, [library.bruno]),
    ):
        assert found(by_movie, **data) == viewers


class ViewerFilter(FilterSet):
    movie = ModelMultipleChoiceFilter(
        field_name="preferred_videos__ecosystem_movie", queryset=Movie.objects.all()
    )
    opera = ModelMultipleChoiceFilter(
        field_name="preferred_videos__ecosystem_opera", queryset=Opera.objects.all()
    )

    class Meta:
        model = Viewer
        fields = ["name"]


def test_a_filter_for_each_model(library):
    library.bruno.preferred_videos.add(library.ran)
    both = [library.casablanca.pk, library.ran.pk]
    assert found(ViewerFilter, movie=both) == [library.ada, library.bruno]
    assert found(ViewerFilter, movie=[library.ran.pk]) == [library.bruno]
    assert found(ViewerFilter, opera=[str(library.tosca.pk)]) == [library.ada]
    assert found(ViewerFilter, movie=both, opera=[str(library.aida.pk)]) == []
    assert not ViewerFilter({"movie": ["0"]}).is_valid()


class IdentifierFilter(FilterSet):
    video = CharFilter(method="filter_video")

    def filter_video(self, queryset, name, value):
        field = queryset.model._meta.get_field("preferred_videos")
        try:
            return queryset.filter(preferred_videos__in=choose(field, [value]))
        except ValueError:
            return queryset.none()

    class Meta:
        model = Viewer
        fields = ["name"]


def test_a_filter_by_identifiers(library):
    for obj in (library.casablanca, library.tosca, library.waltz):
        assert found(IdentifierFilter, video=identifier(obj)) == [library.ada]
    for value in (identifier(library.ran), identifier(library.novel), "x", "a.b:c"):
        assert found(IdentifierFilter, video=value) == []
