"""Choosing objects of several models: the form field, and the model field's part."""

import uuid

import pytest
from django import forms
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Q
from django.db.models.signals import m2m_changed
from django.forms import inlineformset_factory, modelform_factory, modelformset_factory

from gm2m import GM2MField
from gm2m.forms import GM2MMultipleChoiceField
from gm2m.identifiers import identifier
from tests.app.models import (
    Anthology,
    Book,
    Club,
    Concert,
    Documentary,
    Festival,
    Film,
    Measure,
    Movie,
    Opera,
    Person,
    Plant,
    Playlist,
    PlaylistItem,
    Poster,
    Premiere,
    ProxyLover,
    Rack,
    Star,
    Undeclared,
    User,
    Video,
    VideoProxy,
)
from tests.queries import LOCK

pytestmark = pytest.mark.django_db

MALFORMED = "“%s” is not a valid value."
UNKNOWN = "Select a valid choice. %s is not one of the available choices."

UserForm = modelform_factory(User, fields="__all__")


def field_of(model, name):
    return model._meta.get_field(name)


def ids(*objs):
    return [identifier(obj) for obj in objs]


@pytest.fixture
def alien():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def nanook():
    return Documentary.objects.create(title="Nanook")


@pytest.fixture
def aida():
    return Opera.objects.create(title="Aida")


@pytest.fixture
def woodstock():
    return Concert.objects.create(code="wood:69/a&b, c", title="Woodstock")


@pytest.fixture
def jack():
    return User.objects.create(name="Jack")


def chosen(form, name="preferred_videos"):
    assert form.is_valid(), form.errors
    return list(form.cleaned_data[name])


def errors(field, value):
    with pytest.raises(forms.ValidationError) as caught:
        field.clean(value)
    return caught.value.messages


# The model field.


def test_form_field_offers_the_declared_models_in_their_order():
    field = field_of(User, "preferred_videos").formfield()
    assert type(field) is GM2MMultipleChoiceField
    assert list(field.querysets)[:6] == [
        Movie,
        Documentary,
        Opera,
        Concert,
        Premiere,
        Poster,
    ]
    assert field.label == "Preferred videos"
    assert field.required


def test_form_field_takes_djangos_options():
    field = field_of(User, "preferred_videos").formfield(
        label="Videos",
        required=False,
        help_text="Choose.",
        widget=forms.CheckboxSelectMultiple,
        initial=["app.movie:1"],
    )
    assert (field.label, field.required, field.help_text) == (
        "Videos",
        False,
        "Choose.",
    )
    assert isinstance(field.widget, forms.CheckboxSelectMultiple)
    assert field.initial == ["app.movie:1"]


def test_form_field_of_another_class():
    class Other(GM2MMultipleChoiceField):
        pass

    assert type(field_of(User, "preferred_videos").formfield(form_class=Other)) is Other
    form_class = modelform_factory(
        User, fields="__all__", field_classes={"preferred_videos": Other}
    )
    assert type(form_class.base_fields["preferred_videos"]) is Other


def test_options_of_the_model_field_reach_the_form_field(registry):
    class Source(models.Model):
        things = GM2MField(
            Video, "Opera", blank=True, verbose_name="the things", help_text="Any."
        )

    class Opera(models.Model):
        pass

    field = Source._meta.get_field("things").formfield()
    assert not field.required
    assert (field.label, field.help_text) == ("The things", "Any.")
    assert list(field.querysets) == [Opera]  # Video is in another registry.


def test_models_can_be_named(alien, woodstock):
    things = field_of(Undeclared, "things")
    field = things.formfield(models=[Movie, "app.Concert"])
    assert list(field.querysets) == [Movie, Concert]
    assert list(field.clean(ids(woodstock, alien))) == [woodstock, alien]
    field = things.formfield(models=[Movie.objects.filter(title="Aliens")])
    assert errors(field, ids(alien)) == [UNKNOWN % f"app.movie:{alien.pk}"]


def test_named_models_must_have_keys_that_can_be_linked():
    with pytest.raises(TypeError, match=r"app\.Measure"):
        field_of(Undeclared, "things").formfield(models=[Measure])


def test_models_are_offered_from_the_database_that_is_asked_for():
    field = field_of(User, "preferred_videos").formfield(using="other")
    assert {qs.db for qs in field.querysets.values()} == {"other"}


def test_models_that_were_added_later_are_offered(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField()

    things = Source._meta.get_field("things")
    assert not things.editable
    assert things.formfield() is None
    Source.things.add_relation(Target)
    assert things.editable
    assert list(things.formfield().querysets) == [Target]


# A field that declares no models.


def test_field_without_models_is_left_out_of_a_plain_form():
    assert field_of(Undeclared, "things").formfield() is None
    assert list(modelform_factory(Undeclared, fields="__all__").base_fields) == ["name"]
    assert list(modelform_factory(Undeclared, exclude=["others"]).base_fields) == [
        "name"
    ]


def test_field_without_models_keeps_its_links_in_a_plain_form(alien):
    holder = Undeclared.objects.create()
    holder.things.add(alien)
    form = modelform_factory(Undeclared, fields="__all__")(
        {"name": "x"}, instance=holder
    )
    form.save()
    assert list(holder.things.all()) == [alien]


def test_field_without_models_that_is_asked_for_is_an_error():
    with pytest.raises(FieldError, match="'things' cannot be specified"):
        modelform_factory(Undeclared, fields=["name", "things"])
    with pytest.raises(
        FieldError, match=r"Undeclared\.things declares no models.*models="
    ):
        field_of(Undeclared, "things").formfield(label="Things")


def test_field_without_models_can_be_made_editable(registry, alien, aida):
    class Holder(models.Model):
        things = GM2MField(editable=True)

    assert Holder._meta.get_field("things").clone().editable
    with pytest.raises(FieldError, match=r"Holder\.things declares no models"):
        modelform_factory(Holder, fields=["things"])

    class HolderForm(forms.ModelForm):
        things = GM2MMultipleChoiceField([Movie, Opera])

        class Meta:
            model = Holder
            fields = ["things"]

    assert list(HolderForm.base_fields["things"].querysets) == [Movie, Opera]


def test_field_can_be_made_editable_later(registry):
    class Holder(models.Model):
        things = GM2MField()

    things = Holder._meta.get_field("things")
    things.editable = True
    assert things.editable
    assert "editable" not in things.deconstruct()[3]
    things.editable = False
    assert things.deconstruct()[3]["editable"] is False


def test_field_that_is_not_editable_has_no_form_field(registry):
    class Target(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Target, editable=False)

    assert list(modelform_factory(Source, fields="__all__").base_fields) == []
    with pytest.raises(FieldError, match="'things' cannot be specified"):
        modelform_factory(Source, fields=["things"])


# Values.


def test_cleaned_value_is_a_list_in_the_order_of_the_data(
    alien, nanook, aida, woodstock
):
    given = [woodstock, nanook, aida, alien]
    form = UserForm({"name": "x", "preferred_videos": ids(*given)})
    assert chosen(form) == given
    assert isinstance(form.cleaned_data["preferred_videos"], list)


def test_every_kind_of_key(alien, aida, woodstock):
    premiere = Premiere.objects.create(day="1871-12-24")
    premiere.refresh_from_db()
    poster = Poster.objects.create(opera=aida)
    given = [alien, aida, woodstock, premiere, poster]
    form = UserForm({"name": "x", "preferred_videos": ids(*given)})
    assert ids(*given)[2:] == [
        "app.concert:wood:69/a&b, c",
        "app.premiere:1871-12-24",
        f"app.poster:{aida.pk}",
    ]
    assert chosen(form) == given


def test_doubles_count_once(alien):
    field = GM2MMultipleChoiceField([Movie])
    assert field.clean(ids(alien, alien)) == [alien]


def test_objects_are_taken_for_their_values(alien, aida):
    field = GM2MMultipleChoiceField([Movie, Opera])
    assert field.clean([alien, aida]) == [alien, aida]
    assert field.to_python([alien]) == [alien]
    assert field.to_python(None) == field.to_python([]) == []
    assert field.prepare_value([alien, "app.opera:x"]) == [*ids(alien), "app.opera:x"]
    assert field.prepare_value(alien) == identifier(alien)
    assert field.prepare_value(Movie.objects.all()) == ids(alien)
    assert field.prepare_value(None) is None


BAD = [
    "x",
    "",
    ":",
    "a:b",
    "app.movie",
    "app.movie:",
    "movie:1",
    "app.movie:x",
    "app.movie:1.0",
    "app.movie:01",
    "app.movie: 1",
    "app.movie:\uff11",
    "app.movie:1\0",
    "app.movie:-",
    "app.movie:" + "9" * 19,
    "app.movie:" + "9" * 400,
    "app.movie:" + "9" * 5000,
    "app.movie:99999999999999999999",
    "app.opera:x",
    "app.opera:" + "f" * 32,
    "app.opera:00000000-0000-0000-0000-00000000000g",
    "app.opera:1",
    "app.concert:a\0b",
    "app.concert:\ud800",
    "app.premiere:1871-13-24",
    "app.premiere:1871-12-32",
    "app.premiere:24.12.1871",
    "app.premiere:0000-00-00",
    "app.premiere:tomorrow",
    "app.poster:x",
    None,
    7,
    True,
    b"app.movie:1",
    {"app.movie": 1},
]


def test_object_with_an_empty_key(db):
    concert, user = Concert.objects.create(code=""), User.objects.create(name="Jack")
    user.preferred_videos.add(concert)
    form = modelform_factory(User, fields=["preferred_videos"])(instance=user)
    assert '<option value="app.concert:" selected>' in str(form)
    assert form.fields["preferred_videos"].clean(["app.concert:"]) == [concert]


@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
def test_value_that_can_be_no_object(value):
    field = field_of(User, "preferred_videos").formfield()
    with pytest.raises(forms.ValidationError) as caught:
        field.clean([value])
    (error,) = caught.value.error_list
    assert error.code == "invalid_pk_value"
    assert error.messages == [MALFORMED % value]


@pytest.mark.parametrize(
    "value",
    [
        "app.movie:9223372036854775807",
        "app.movie:-9223372036854775808",
        "app.movie:-1",
        "app.movie:0",
        "app.opera:00000000-0000-0000-0000-000000000000",
        "app.opera:12345678-1234-8234-1234-123456789012",
        "app.opera:ffffffff-ffff-ffff-ffff-ffffffffffff",
        "app.concert:<script>alert(1)</script>",
        "app.concert:" + "x" * 400,
        "app.concert:WOOD:69/a&b, c",
        "app.concert:wood:69/a&b, c ",
        "app.concert:' OR 1=1 --",
        "app.concert:\U0001f3b8",
        "app.premiere:0001-01-01",
        "app.premiere:9999-12-31",
        "app.book:1",
        "app.person:1",
        "app.video:1",
        "auth.user:1",
        "no.such:1",
        "App.Movie:1",
        "app.Movie:1",
        "gone.movie:1",
    ],
)
def test_value_that_is_not_on_offer(value, woodstock):
    field = field_of(User, "preferred_videos").formfield()
    with pytest.raises(forms.ValidationError) as caught:
        field.clean([value])
    (error,) = caught.value.error_list
    assert error.code == "invalid_choice"
    assert error.messages == [UNKNOWN % value]


@pytest.mark.parametrize("value", ["app.movie:1", 7, b"x"])
def test_value_that_is_no_list(value):
    field = GM2MMultipleChoiceField([Movie])
    assert errors(field, value) == ["Enter a list of values."]


@pytest.mark.parametrize("value", [[["app.movie:1"]], [{}], [[]]], ids=range(3))
def test_list_of_no_values(value):
    field = GM2MMultipleChoiceField([Movie])
    with pytest.raises(forms.ValidationError):
        field.clean(value)


def test_object_that_was_deleted_a_moment_ago(alien):
    field = GM2MMultipleChoiceField([Movie])
    (value,) = ids(alien)
    alien.delete()
    assert errors(field, [value]) == [UNKNOWN % value]


def test_required(alien):
    field = GM2MMultipleChoiceField([Movie])
    for empty in (None, [], (), ""):
        assert errors(field, empty) == ["This field is required."]
    field = GM2MMultipleChoiceField([Movie], required=False)
    for empty in (None, [], (), ""):
        assert field.clean(empty) == []


def test_error_messages_can_be_changed(alien):
    field = GM2MMultipleChoiceField(
        [Movie], error_messages={"invalid_choice": "No %(value)s here."}
    )
    assert errors(field, ["app.movie:0"]) == ["No app.movie:0 here."]


def test_validators_see_the_values(alien):
    seen = []
    GM2MMultipleChoiceField([Movie], validators=[seen.append]).clean(ids(alien))
    assert seen == [ids(alien)]


def test_one_query_for_each_model_among_the_values(
    django_assert_num_queries, alien, nanook, aida
):
    movies = [Movie.objects.create(title=str(n)) for n in range(20)]
    field = field_of(User, "preferred_videos").formfield()
    with django_assert_num_queries(0):
        errors(field, ["app.movie:x"])
    with django_assert_num_queries(1):
        field.clean(ids(*movies))
    with django_assert_num_queries(3):
        field.clean(ids(nanook, *movies, aida))


def test_two_fields_of_one_form_class_do_not_share_anything(alien):
    class VideosForm(forms.Form):
        videos = GM2MMultipleChoiceField([Movie])

    one, two = VideosForm(), VideosForm()
    assert one.fields["videos"] is not two.fields["videos"]
    assert one.fields["videos"].choices.field is one.fields["videos"]
    assert one.fields["videos"].widget.choices.field is one.fields["videos"]
    del one.fields["videos"].querysets[Movie]
    assert "Alien" in str(two)
    assert "Alien" not in str(one)


def test_choices_are_looked_up_afresh(alien):
    field = GM2MMultipleChoiceField([Movie])
    assert [len(group) for _label, group in field.choices] == [1]
    Movie.objects.create(title="Aliens")
    assert [len(group) for _label, group in field.choices] == [2]
    Movie.objects.all().delete()
    assert list(field.choices) == []


# Models and querysets.


def test_what_the_field_refuses_to_offer():
    for wrong in (3, object(), None):
        with pytest.raises(TypeError, match="neither a model"):
            GM2MMultipleChoiceField([wrong])
    with pytest.raises(TypeError, match=r"app\.Measure cannot be chosen"):
        GM2MMultipleChoiceField([Measure])
    with pytest.raises(ValueError, match=r"app\.Movie is named twice"):
        GM2MMultipleChoiceField([Movie, "app.Movie"])
    with pytest.raises(LookupError):
        GM2MMultipleChoiceField(["app.Nothing"])


def test_parent_and_child_are_two_models(alien):
    field = GM2MMultipleChoiceField([Video, Movie])
    values = [f"app.video:{alien.pk}", f"app.movie:{alien.pk}"]
    parent, child = field.clean(values)
    assert (type(parent), type(child)) == (Video, Movie)
    assert errors(GM2MMultipleChoiceField([Movie]), values) == [UNKNOWN % values[0]]


def test_proxies_count_as_their_model_or_not(alien):
    video = Video.objects.get()
    field = GM2MMultipleChoiceField([VideoProxy])
    (obj,) = field.clean(ids(video))
    assert type(obj) is VideoProxy
    field = GM2MMultipleChoiceField([VideoProxy, Video], for_concrete_model=False)
    value = f"app.videoproxy:{video.pk}"
    (obj,) = field.clean([value])
    assert type(obj) is VideoProxy
    assert field.prepare_value([obj, video]) == [value, f"app.video:{video.pk}"]


def test_proxies_are_saved_as_links_of_their_own():
    lover = ProxyLover.objects.create()
    video = Video.objects.create(title="Alien")
    field = field_of(ProxyLover, "things")
    proxies = field.formfield(models=[VideoProxy])
    videos = field.formfield(models=[Video])
    field.save_form_data(lover, proxies.clean([f"app.videoproxy:{video.pk}"]))
    field.save_form_data(lover, videos.clean([f"app.video:{video.pk}"]))
    assert sorted(type(t).__name__ for t in lover.things.all()) == [
        "Video",
        "VideoProxy",
    ]
    assert not videos.has_changed(field.value_from_object(lover), ids(video))
    videos.required = False
    field.save_form_data(lover, videos.clean([]))
    assert [type(t).__name__ for t in lover.things.all()] == ["VideoProxy"]


# Limits.

CALLS = []


def sequels():
    CALLS.append(1)
    return {"title__endswith": "s"}


@pytest.mark.parametrize(
    "limit",
    [
        {"title__endswith": "s"},
        Q(title__endswith="s"),
        sequels,
        {Movie: {"title__endswith": "s"}, Opera: {"title__endswith": "s"}},
        {"app.Movie": Q(title__endswith="s"), "app.opera": sequels},
        lambda: {Movie: {"title__endswith": "s"}, Opera: sequels},
    ],
)
def test_limit_choices_to(limit, alien, aida):
    aliens = Movie.objects.create(title="Aliens")
    troyens = Opera.objects.create(title="Les Troyens")
    field = GM2MMultipleChoiceField([Movie, Opera], limit_choices_to=limit)
    offered = [value.instance for _label, group in field.choices for value, _ in group]
    assert offered == [aliens, troyens]
    assert field.clean(ids(troyens, aliens)) == [troyens, aliens]
    for outside in (alien, aida):
        (value,) = ids(outside)
        assert errors(field, [value]) == [UNKNOWN % value]


@pytest.mark.parametrize("limit", [None, {}, Q(), {Opera: {"title": "x"}}])
def test_no_limit(limit, alien):
    field = GM2MMultipleChoiceField([Movie], limit_choices_to=limit)
    assert field.clean(ids(alien)) == [alien]


def test_limit_of_a_model_field_reaches_the_form(registry):
    class Song(models.Model):
        name = models.CharField(max_length=10)

    class Dance(models.Model):
        pass

    class Source(models.Model):
        things = GM2MField(Song, Dance, limit_choices_to={Song: {"name": "x"}})

    field = Source._meta.get_field("things").formfield()
    assert field.get_limit_choices_to(Song) == {"name": "x"}
    assert field.get_limit_choices_to(Dance) is None


def test_limit_over_a_relation_makes_no_doubles(alien):
    for name in ("x", "y"):
        User.objects.create(name=name).preferred_videos.add(alien)
    field = GM2MMultipleChoiceField(
        [Movie], limit_choices_to={"user__name__in": ["x", "y"]}
    )
    ((_label, group),) = field.choices
    assert len(group) == 1
    assert field.clean(ids(alien)) == [alien]


def test_callable_limit_is_called_when_it_is_needed(alien):
    field = GM2MMultipleChoiceField([Movie], limit_choices_to=sequels)
    CALLS.clear()
    copy = GM2MMultipleChoiceField.__deepcopy__(field, {})
    assert CALLS == []
    list(copy.choices)
    assert CALLS == [1]


# Rendering.


def test_choices_are_grouped_by_model(
    django_assert_num_queries, alien, aida, woodstock
):
    alien.title = "<b>Alien</b>"
    alien.save()
    form = UserForm(initial={"preferred_videos": [alien]})
    with django_assert_num_queries(6):
        html = str(form["preferred_videos"])
    movie, opera, concert = ids(alien, aida, woodstock)
    assert (
        html.split()
        == (
            '<select name="preferred_videos" required'
            ' id="id_preferred_videos" multiple>'
            ' <optgroup label="Movies">'
            f' <option value="{movie}" selected>&lt;b&gt;Alien&lt;/b&gt;</option>'
            ' </optgroup> <optgroup label="Operas">'
            f' <option value="{opera}">Aida</option>'
            ' </optgroup> <optgroup label="Concerts">'
            f' <option value="{concert.replace("&", "&amp;")}">Woodstock</option>'
            " </optgroup> </select>"
        ).split()
    )


def test_checkboxes(alien, aida):
    class VideosForm(forms.Form):
        videos = GM2MMultipleChoiceField(
            [Movie, Opera], widget=forms.CheckboxSelectMultiple
        )

    html = str(VideosForm(initial={"videos": ids(aida)})["videos"])
    assert html.count('type="checkbox"') == 2
    assert html.count("checked") == 1
    assert html.index("Movies") < html.index("Alien") < html.index("Operas")
    assert [str(sub.data["value"]) for sub in VideosForm()["videos"].subwidgets] == ids(
        alien, aida
    )


def test_labels_can_be_overridden(alien):
    class Shouting(GM2MMultipleChoiceField):
        def label_from_instance(self, obj):
            return obj.title.upper()

        def label_from_model(self, model):
            return f"All {model._meta.verbose_name_plural}"

    ((label, ((_value, text),)),) = Shouting([Movie]).choices
    assert (label, text) == ("All movies", "ALIEN")


def test_bound_form_shows_what_was_chosen_and_no_more(alien, aida):
    bad = "app.opera:<i>x</i>"
    form = UserForm({"name": "", "preferred_videos": [*ids(alien), bad]})
    assert not form.is_valid()
    html = form.as_p()
    assert html.count("selected") == 1
    assert f'value="{identifier(alien)}" selected' in html
    assert "“app.opera:&lt;i&gt;x&lt;/i&gt;” is not a valid value." in html
    assert "<i>" not in html


def test_hidden_widget_keeps_the_values(alien, aida):
    form = UserForm(initial={"preferred_videos": [alien, aida]})
    html = form["preferred_videos"].as_hidden()
    assert html.count('type="hidden"') == 2
    assert all(value in html for value in ids(alien, aida))


def test_group_labels_are_translated(alien, monkeypatch):
    from django.utils.functional import lazystr

    monkeypatch.setattr(Movie._meta, "verbose_name_plural", lazystr("films"))
    ((label, _group),) = GM2MMultipleChoiceField([Movie]).choices
    assert label == "Films"


# Changes.


def test_has_changed(alien, aida):
    field = GM2MMultipleChoiceField([Movie, Opera], required=False)
    both = ids(alien, aida)
    assert not field.has_changed(None, None)
    assert not field.has_changed([], [])
    assert not field.has_changed(None, [])
    assert not field.has_changed([alien, aida], both)
    assert not field.has_changed([aida, alien], both)
    assert not field.has_changed(both, both)
    assert not field.has_changed(both, [*both, *both])
    assert not field.has_changed(Movie.objects.all(), ids(alien))
    assert field.has_changed([alien], both)
    assert field.has_changed([alien, aida], ids(alien))
    assert field.has_changed([alien], ids(aida))
    assert field.has_changed([], ["junk"])
    assert field.has_changed([alien], None)
    field.disabled = True
    assert not field.has_changed([alien], both)


def test_links_that_are_not_on_offer_are_no_change(alien, aida):
    book = Book.objects.create(title="Emma")
    field = GM2MMultipleChoiceField([Movie.objects.filter(title="Alien"), Opera])
    other = Movie.objects.create(title="Aliens")
    assert not field.has_changed([alien, book, other], ids(alien))
    assert field.has_changed([alien, book, other], [])


def test_hidden_initial(alien, aida, jack):
    class VideosForm(forms.Form):
        videos = GM2MMultipleChoiceField([Movie, Opera], show_hidden_initial=True)

    form = VideosForm({"videos": ids(alien), "initial-videos": ids(alien)})
    assert form.changed_data == []
    form = VideosForm({"videos": ids(alien), "initial-videos": ids(aida)})
    assert form.changed_data == ["videos"]
    form = VideosForm({"videos": ids(alien), "initial-videos": ["junk"]})
    assert form.changed_data == ["videos"]
    assert str(VideosForm(initial={"videos": [alien]})).count(identifier(alien)) == 2


def test_disabled_field_leaves_all_as_it_is(alien, aida, jack):
    book = Book.objects.create(title="Emma")
    jack.preferred_videos.add(alien, book)
    form = UserForm({"name": "Jill", "preferred_videos": ids(aida)}, instance=jack)
    form.fields["preferred_videos"].disabled = True
    assert form.is_valid(), form.errors
    assert form.changed_data == ["name"]
    form.save()
    assert list(jack.preferred_videos.all()) == [alien, book]


# Saving.


def test_form_makes_a_source_with_links(alien, aida):
    form = UserForm({"name": "Jack", "preferred_videos": ids(aida, alien)})
    user = form.save()
    assert list(user.preferred_videos.all()) == [aida, alien]


def test_form_saves_links_later(alien):
    form = UserForm({"name": "Jack", "preferred_videos": ids(alien)})
    user = form.save(commit=False)
    user.save()
    assert list(user.preferred_videos.all()) == []
    form.save_m2m()
    assert list(user.preferred_videos.all()) == [alien]


def test_form_posted_twice(alien, aida, jack):
    data = {"name": "Jack", "preferred_videos": ids(aida, alien)}
    for _ in range(2):
        UserForm(data, instance=jack).save()
    assert list(jack.preferred_videos.all()) == [aida, alien]


def test_initial_value_is_what_is_linked(alien, aida, jack):
    field = field_of(User, "preferred_videos")
    assert field.value_from_object(User(name="x")) == []
    assert field.value_from_object(jack) == []
    jack.preferred_videos.add(aida, alien)
    assert field.value_from_object(jack) == [aida, alien]
    assert UserForm(instance=jack).initial["preferred_videos"] == [aida, alien]
    assert UserForm(instance=jack)["preferred_videos"].value() == ids(aida, alien)


def test_saving_is_a_difference(alien, aida, nanook, jack):
    rows = User.preferred_videos.through.objects
    jack.preferred_videos.add(alien, aida)
    kept = rows.get(gm2m_pk=str(aida.pk)).pk
    sent = []

    def receiver(action, model, pk_set, **kwargs):
        sent.append((action, model, pk_set))

    m2m_changed.connect(receiver, sender=User.preferred_videos.through)
    try:
        form = UserForm(
            {"name": "Jack", "preferred_videos": ids(nanook, aida)}, instance=jack
        )
        assert form.has_changed()
        form.save()
    finally:
        m2m_changed.disconnect(receiver, sender=User.preferred_videos.through)
    assert rows.get(gm2m_pk=str(aida.pk)).pk == kept
    assert list(jack.preferred_videos.all()) == [aida, nanook]
    assert sent == [
        ("pre_remove", Movie, {alien.pk}),
        ("post_remove", Movie, {alien.pk}),
        ("pre_add", Documentary, {nanook.pk}),
        ("post_add", Documentary, {nanook.pk}),
    ]


def test_columns_of_a_custom_through_survive(alien, aida):
    playlist = Playlist.objects.create(name="x")
    video = Video.objects.get(pk=alien.pk)
    playlist.items.add(video, through_defaults={"note": "mine", "position": 7})
    form_class = modelform_factory(Playlist, fields="__all__")
    form = form_class({"name": "y", "items": ids(aida, video)}, instance=playlist)
    form.save()
    assert list(playlist.items.all()) == [aida, video]
    assert PlaylistItem.objects.get(object_id=str(video.pk)).note == "mine"


def test_links_of_models_that_are_not_on_offer_stay(alien, aida, jack):
    book = Book.objects.create(title="Emma")
    jack.preferred_videos.add(book, alien)
    form = UserForm({"name": "Jack", "preferred_videos": ids(aida)}, instance=jack)
    form.save()
    assert list(jack.preferred_videos.all()) == [book, aida]


def test_plain_list_replaces_all(alien, aida, jack):
    book = Book.objects.create(title="Emma")
    jack.preferred_videos.add(book, alien)
    field_of(User, "preferred_videos").save_form_data(jack, [aida])
    assert list(jack.preferred_videos.all()) == [aida]


def test_links_to_what_the_queryset_on_offer_hides_stay():
    holder = Undeclared.objects.create()
    fern, rose = (Plant.everything.create(name=name) for name in ("fern", "rose"))
    holder.things.add(fern, rose)
    Plant.everything.filter(pk=fern.pk).update(dead=True)
    things = field_of(Undeclared, "things")
    field = things.formfield(models=[Plant], required=False)
    things.save_form_data(holder, field.clean([]))
    Plant.everything.update(dead=False)
    assert list(holder.things.all()) == [fern]


def test_links_to_what_is_beyond_the_limits_go_as_in_django(alien):
    aliens = Movie.objects.create(title="Aliens")
    club = Undeclared.objects.create()
    club.things.add(alien, aliens)
    things = field_of(Undeclared, "things")
    field = things.formfield(models=[Movie], limit_choices_to={"title": "Aliens"})
    assert field.has_changed([alien, aliens], ids(aliens))
    things.save_form_data(club, field.clean(ids(aliens)))
    assert list(club.things.all()) == [aliens]


def test_nothing_is_written_if_a_value_is_wrong(alien, jack):
    jack.preferred_videos.add(alien)
    form = UserForm(
        {"name": "Jill", "preferred_videos": ["app.movie:0"]}, instance=jack
    )
    assert not form.is_valid()
    assert list(jack.preferred_videos.all()) == [alien]


def test_saving_does_not_cost_a_query_for_each_object(
    django_assert_num_queries, jack, aida
):
    movies = [Movie.objects.create(title=str(n)) for n in range(30)]
    jack.preferred_videos.add(*movies[:20])
    form = UserForm(
        {"name": "Jack", "preferred_videos": ids(*movies[10:], aida)}, instance=jack
    )
    ContentType.objects.get_for_models(Movie, Opera)
    with django_assert_num_queries(2):
        form.is_valid()
    # The source; what is linked, what of it may go; what goes; what is new.
    with django_assert_num_queries(5 + LOCK):
        jack.save()
        form._save_m2m()
    assert set(jack.preferred_videos.all()) == {*movies[10:], aida}


def test_source_that_its_through_model_does_not_know_yet(aida):
    rack = Rack.objects.create()
    field = field_of(Rack, "discs")
    assert field.value_from_object(rack) == []
    form = modelform_factory(Rack, fields="__all__")(
        {"code": "", "discs": ids(aida)}, instance=rack
    )
    assert form.initial["discs"] == []
    field.save_form_data(rack, [])


def test_custom_through_with_required_columns_behaves_as_in_django():
    assert "screenings" in modelform_factory(Festival, fields="__all__").base_fields
    assert field_of(Festival, "screenings").formfield().querysets.keys() == {Film}


def test_link_that_is_there_several_times(alien, aida):
    anthology = Anthology.objects.create(title="x")
    video = Video.objects.get(pk=alien.pk)
    for position in range(2):
        Anthology.pieces.through.objects.create(
            anthology=anthology, piece=video, position=position
        )
    form_class = modelform_factory(Anthology, fields="__all__")
    data = {"title": "x", "pieces": ids(video, aida)}
    form = form_class(data, instance=anthology)
    assert form.changed_data == ["pieces"]
    form.save()
    assert list(anthology.pieces.all()) == [video, aida, video] or (
        sorted(map(str, anthology.pieces.all())) == ["Aida", "Alien", "Alien"]
    )


def test_key_that_is_too_long_for_the_field(registry, jack):
    concert = Concert.objects.create(code="x" * 10)

    class Holder(models.Model):
        things = GM2MField("app.Concert", pk_maxlength=9)

    things = Holder._meta.get_field("things")
    field = things.formfield(models=[Concert])
    assert errors(field, ids(concert)) == [
        "app.concert:xxxxxxxxxx cannot be linked: its key is longer than 9 characters."
    ]
    short = Concert.objects.create(code="x" * 9)
    assert field.clean(ids(short)) == [short]


# Formsets.


def test_model_formset(alien, aida, jack):
    jill = User.objects.create(name="Jill")
    formset_class = modelformset_factory(User, fields="__all__", extra=1)
    data = {
        "form-TOTAL_FORMS": "3",
        "form-INITIAL_FORMS": "2",
        "form-0-id": jack.pk,
        "form-0-name": "Jack",
        "form-0-preferred_videos": ids(alien),
        "form-1-id": jill.pk,
        "form-1-name": "Jill",
        "form-1-preferred_videos": ids(aida, alien),
        "form-2-name": "",
    }
    formset = formset_class(data, queryset=User.objects.order_by("pk"))
    assert formset.is_valid(), formset.errors
    formset.save()
    assert list(jack.preferred_videos.all()) == [alien]
    assert list(jill.preferred_videos.all()) == [aida, alien]
    assert User.objects.count() == 2


def test_inline_formset(registry, alien):
    formset_class = inlineformset_factory(Person, Movie, fields=["title"])
    assert formset_class  # A target is edited as ever.
    club = Club.objects.create(name="x")
    form_class = modelform_factory(Club, fields="__all__")
    video = Video.objects.get(pk=alien.pk)
    form_class({"name": "x", "library": ids(video)}, instance=club).save()
    assert list(club.library.all()) == [video]


def test_target_with_a_big_key():
    field = GM2MMultipleChoiceField([Star])
    star = Star.objects.create(number=2**63 - 1)
    assert field.clean(ids(star)) == [star]
    assert errors(field, [f"app.star:{2**63}"]) == [MALFORMED % f"app.star:{2**63}"]


def test_uuid_in_another_spelling_is_no_value(aida):
    field = GM2MMultipleChoiceField([Opera])
    assert isinstance(aida.pk, uuid.UUID)
    for text in (aida.pk.hex, str(aida.pk).upper(), f"{{{aida.pk}}}"):
        if text != str(aida.pk):
            value = f"app.opera:{text}"
            assert errors(field, [value]) == [MALFORMED % value]
