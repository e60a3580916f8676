"""The field in the admin: forms, searches, lists, inlines and checks."""

import json

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core import checks
from django.core.exceptions import FieldError, ValidationError
from django.http import Http404
from django.urls import reverse

from gm2m.admin import GM2MAdminMixin, GM2MThroughInlineMixin
from gm2m.admin.choices import AdminChoiceField
from gm2m.admin.lists import filter_of
from gm2m.forms import GM2MMultipleChoiceField
from gm2m.identifiers import identifier
from tests.admin_sites import SECRET, site
from tests.app.models import (
    Club,
    Concert,
    Documentary,
    Estate,
    Exhibit,
    Gallery,
    Movie,
    Opera,
    Person,
    Playlist,
    PlaylistItem,
    Relic,
    Reliquary,
    User,
    Video,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin_sites")]

SEARCH = "/library/app/user/gm2m-autocomplete/"
ASK = {"app_label": "app", "model_name": "user", "field_name": "preferred_videos"}


@pytest.fixture
def titles():
    return {
        "alien": Movie.objects.create(title="Alien"),
        "nanook": Documentary.objects.create(title="Nanook"),
        "aida": Opera.objects.create(title="Aida <b>&amp;</b>"),
        "woodstock": Concert.objects.create(code="w:69", title="Woodstock"),
    }


@pytest.fixture
def jack():
    return User.objects.create(name="Jack")


def ids(*objs):
    return [identifier(obj) for obj in objs]


def change_url(obj, name="library"):
    opts = obj._meta
    return reverse(f"{name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])


def page(client, url, **data):
    answer = client.get(url, data)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def results(client, url=SEARCH, **params):
    answer = client.get(url, {**ASK, **params})
    assert answer.status_code == 200, answer
    return answer.json()


def found(client, **params):
    return {
        group["text"]: [item["text"] for item in group["children"]]
        for group in results(client, **params)["results"]
    }


def post(client, url, **data):
    answer = client.post(url, data)
    if answer.status_code == 200:
        raise AssertionError(answer.context_data["errors"])
    assert answer.status_code == 302
    return answer


# Forms.


def test_searching_widget(admin_client, titles, jack):
    jack.preferred_videos.add(titles["aida"], titles["alien"])
    html = page(admin_client, change_url(jack))
    assert "admin-autocomplete" in html
    assert f'data-ajax--url="{SEARCH}"' in html
    assert 'data-field-name="preferred_videos"' in html
    assert "admin/js/autocomplete.js" in html
    aida, alien = ids(titles["aida"], titles["alien"])
    label = "Opera: Aida &lt;b&gt;&amp;amp;&lt;/b&gt;"
    assert f'<option value="{aida}" selected>{label}</option>' in html
    assert f'<option value="{alien}" selected>Movie: Alien</option>' in html
    assert html.index(aida) < html.index(alien)
    assert "Nanook" not in html
    assert "related-widget-wrapper" not in html


def test_choices_are_saved(admin_client, titles, jack):
    data = {"name": "Jack", "preferred_videos": ids(*titles.values())}
    post(admin_client, change_url(jack), **data)
    assert list(jack.preferred_videos.all()) == list(titles.values())
    rows = set(User.preferred_videos.through.objects.values_list("pk", flat=True))
    data["preferred_videos"] = ids(titles["nanook"], titles["alien"])
    post(admin_client, change_url(jack), **data)
    assert list(jack.preferred_videos.all()) == [titles["alien"], titles["nanook"]]
    left = User.preferred_videos.through.objects.values_list("pk", flat=True)
    assert rows > set(left)


def test_history(admin_client, titles, jack):
    data = {"name": "Jack", "preferred_videos": ids(titles["alien"])}
    post(admin_client, change_url(jack), **data)
    assert LogEntry.objects.latest("pk").get_change_message() == (
        "Changed Preferred videos."
    )
    post(admin_client, change_url(jack), **data)
    assert LogEntry.objects.latest("pk").get_change_message() == "No fields changed."
    html = page(admin_client, reverse("library:app_user_history", args=[jack.pk]))
    assert "Changed Preferred videos." in html


def test_add_view(admin_client, titles):
    url = reverse("library:app_user_add")
    assert "admin-autocomplete" in page(admin_client, url)
    post(admin_client, url, name="Jill", preferred_videos=ids(titles["aida"]))
    jill = User.objects.get(name="Jill")
    assert list(jill.preferred_videos.all()) == [titles["aida"]]


def test_initial_values_from_the_url(admin_client, titles):
    url = reverse("library:app_user_add")
    values = ids(titles["aida"], titles["woodstock"])
    html = page(admin_client, url, preferred_videos=",".join(values), name="Jill")
    assert html.count("selected>") == 2
    for junk in ("x", "app.movie:0", "app.movie:" + "9" * 400, "app.opera:\0", "a:b"):
        value = f"{junk},{values[0]}"
        assert page(admin_client, url, preferred_videos=value).count("selected>") == 1


def test_save_as_new(admin_client, titles, jack):
    jack.preferred_videos.add(titles["alien"], titles["aida"])
    html = page(admin_client, change_url(jack))
    assert "_saveasnew" in html
    post(
        admin_client,
        change_url(jack),
        _saveasnew="1",
        name="Twin",
        preferred_videos=ids(titles["aida"]),
    )
    twin = User.objects.get(name="Twin")
    assert list(twin.preferred_videos.all()) == [titles["aida"]]
    assert list(jack.preferred_videos.all()) == [titles["alien"], titles["aida"]]


def test_popup(admin_client, titles):
    url = reverse("library:app_user_add") + "?_popup=1"
    assert "admin-autocomplete" in page(admin_client, url)
    answer = admin_client.post(
        url, {"_popup": "1", "name": "Jill", "preferred_videos": ids(titles["aida"])}
    )
    assert answer.status_code == 200
    assert User.objects.get(name="Jill").preferred_videos.count() == 1


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "a:b",
        "app.movie:0",
        "app.movie:x",
        "app.movie:" + "9" * 400,
        "app.opera:" + "9" * 400,
        "app.concert:a\0b",
        "app.concert:<script>alert(1)</script>",
        "app.person:1",
        "auth.user:1",
        "gone.model:1",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bad_value_is_a_message_on_the_field(admin_client, titles, jack, value):
    jack.preferred_videos.add(titles["alien"])
    data = {"name": "Jack", "preferred_videos": [*ids(titles["aida"]), value]}
    answer = admin_client.post(change_url(jack), data)
    assert answer.status_code == 200
    form = answer.context_data["adminform"].form
    (message,) = form.errors["preferred_videos"]
    assert value in message
    html = answer.content.decode()
    assert "<script>alert" not in html
    assert html.count("selected>Opera: Aida") == 1
    assert list(jack.preferred_videos.all()) == [titles["alien"]]


def test_form_posted_twice_and_a_target_deleted_meanwhile(admin_client, titles, jack):
    data = {"name": "Jack", "preferred_videos": ids(titles["alien"], titles["aida"])}
    for _ in range(2):
        post(admin_client, change_url(jack), **data)
    assert jack.preferred_videos.count() == 2
    titles["aida"].delete()
    answer = admin_client.post(change_url(jack), data)
    assert answer.status_code == 200
    assert "preferred_videos" in answer.context_data["adminform"].form.errors


def test_filter_horizontal(admin_client, titles):
    club = Club.objects.create(name="x")
    video = Video.objects.get(pk=titles["alien"].pk)
    club.library.add(video)
    html = page(admin_client, change_url(club))
    assert 'class="selectfilter"' in html
    assert f'value="{identifier(video)}" selected>Video: Alien<' in html
    assert "Hold down" in html
    nanook = Video.objects.get(pk=titles["nanook"].pk)
    post(admin_client, change_url(club), name="x", library=ids(nanook))
    assert list(club.library.all()) == [nanook]


def test_other_widgets(rf, admin_user, titles):
    class CheckboxAdmin(GM2MAdminMixin, admin.ModelAdmin):
        formfield_overrides = {
            type(User._meta.get_field("preferred_videos")): {
                "widget": admin.widgets.forms.CheckboxSelectMultiple
            }
        }

    class PlainAdmin(GM2MAdminMixin, admin.ModelAdmin):
        pass

    request = rf.get("/")
    request.user = admin_user
    html = str(CheckboxAdmin(User, site).get_form(request)()["preferred_videos"])
    assert html.count('type="checkbox"') == 4
    field = PlainAdmin(User, site).get_form(request).base_fields["preferred_videos"]
    assert isinstance(field, AdminChoiceField)
    assert "Hold down" in str(field.help_text)
    assert [str(label) for label, _group in field.choices] == [
        "Movies",
        "Documentarys",
        "Operas",
        "Concerts",
    ]


def test_models_can_be_named(rf, admin_user, titles, registry):
    from django.db import models

    from gm2m import GM2MField

    class Holder(models.Model):
        things = GM2MField(editable=True)

    class HolderAdmin(GM2MAdminMixin, admin.ModelAdmin):
        def formfield_for_gm2m(self, db_field, request, **kwargs):
            kwargs["models"] = [Movie, Opera.objects.filter(title__startswith="A")]
            return super().formfield_for_gm2m(db_field, request, **kwargs)

    class SilentAdmin(GM2MAdminMixin, admin.ModelAdmin):
        pass

    request = rf.get("/")
    request.user = admin_user
    with pytest.raises(FieldError, match=r"Holder\.things declares no models"):
        SilentAdmin(Holder, site).get_form(request)
    Opera.objects.create(title="Otello")
    field = HolderAdmin(Holder, site).get_form(request)().fields["things"]
    offered = [value.instance for _label, group in field.choices for value, _ in group]
    assert offered == [titles["alien"], titles["aida"]]


class LoudField(GM2MMultipleChoiceField):
    def label_from_instance(self, obj):
        return obj.title.upper()


@pytest.mark.parametrize("option", ["autocomplete_fields", "filter_horizontal"])
def test_labels_of_a_form(rf, admin_user, titles, jack, option):
    class LoudForm(forms.ModelForm):
        class Meta:
            model = User
            fields = ["preferred_videos"]
            field_classes = {"preferred_videos": LoudField}

    jack.preferred_videos.add(titles["alien"])
    options = {"form": LoudForm, option: ["preferred_videos"]}
    loud = type("LoudAdmin", (GM2MAdminMixin, admin.ModelAdmin), options)(User, site)
    request = rf.get("/", {**ASK, "term": "Alien"})
    request.user = admin_user
    html = str(loud.get_form(request, jack)(instance=jack)["preferred_videos"])
    assert ">Movie: ALIEN<" in html


def test_object_that_is_not_there(admin_client):
    url = reverse("library:app_user_change", args=[0])
    assert admin_client.get(url).status_code == 302


# Searching.


def test_results_are_grouped_by_model(admin_client, titles):
    answer = results(admin_client)
    assert answer == {
        "results": [
            {
                "text": group,
                "children": [{"id": identifier(titles[name]), "text": label}],
            }
            for group, name, label in [
                ("Movies", "alien", "Movie: Alien"),
                ("Documentarys", "nanook", "Documentary: Nanook"),
                ("Operas", "aida", "Opera: Aida <b>&amp;</b>"),
                ("Concerts", "woodstock", "Concert: Woodstock"),
            ]
        ],
        "pagination": {"more": False},
    }


def test_each_model_is_searched_by_its_admin(admin_client, titles, jack):
    assert found(admin_client, term="a") == {
        "Movies": ["Movie: Alien"],
        "Documentarys": ["Documentary: Nanook"],
        "Operas": ["Opera: Aida <b>&amp;</b>"],
    }
    assert found(admin_client, term="xyz") == {}
    # A search over a relation, without doubles.
    for name in ("Jacob", "Jacqueline"):
        User.objects.create(name=name).preferred_videos.add(titles["alien"])
    assert found(admin_client, term="Jac") == {"Movies": ["Movie: Alien"]}


def test_what_an_admin_hides_is_not_found(admin_client, titles):
    Opera.objects.create(title="Secret opera")
    assert "Operas" not in found(admin_client, term="Secret")


def test_limits_hold_for_searches(rf, admin_client, titles, monkeypatch):
    field = User._meta.get_field("preferred_videos")
    monkeypatch.setattr(
        field.remote_field, "limit_choices_to", {Movie: {"title": "Aliens"}}
    )
    assert "Movies" not in found(admin_client, term="Alien")
    Movie.objects.create(title="Aliens")
    assert found(admin_client, term="Alien") == {"Movies": ["Movie: Aliens"]}


def test_pages(admin_client, django_assert_num_queries):
    for number in range(12):
        Movie.objects.create(title=f"Movie {number:02}")
    for number in range(3):
        Opera.objects.create(title=f"Opera {number}")
    first, second, third = (results(admin_client, page=n) for n in (1, 2, 3))
    assert [len(group["children"]) for group in first["results"]] == [5, 3]
    assert [len(group["children"]) for group in second["results"]] == [5]
    assert [len(group["children"]) for group in third["results"]] == [2]
    more = [answer["pagination"]["more"] for answer in (first, second, third)]
    assert more == [True, True, False]
    texts = [
        item["text"]
        for answer in (first, second, third)
        for group in answer["results"]
        for item in group["children"]
    ]
    assert len(set(texts)) == 15
    assert results(admin_client, page=9) == {
        "results": [],
        "pagination": {"more": False},
    }


def test_cost_of_a_search(admin_client, titles, django_assert_num_queries):
    # The session and the user; one for each of six models, and one if it has objects.
    with django_assert_num_queries(2 + 6 + 4):
        results(admin_client)
    for number in range(30):
        Movie.objects.create(title=f"Movie {number}")
    with django_assert_num_queries(2 + 6 + 4):
        results(admin_client)


@pytest.mark.parametrize("number", ["0x", "-1", "", "1.5", "9" * 400, "\u0661"])
def test_page_that_is_none(admin_client, titles, number):
    assert admin_client.get(SEARCH, {**ASK, "page": number}).status_code == 404


@pytest.mark.parametrize("term", ["\0", "a\0b", "%", "'", '"', "\\", "<b>", "x" * 5000])
def test_odd_terms(admin_client, titles, term):
    assert admin_client.get(SEARCH, {**ASK, "term": term}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"app_label": "auth"},
        {"app_label": "nothing"},
        {"model_name": "movie"},
        {"model_name": "club"},
        {"field_name": "name"},
        {"field_name": "nothing"},
        {"field_name": "\0"},
        {"field_name": ""},
    ],
    ids=str,
)
def test_search_for_another_field_is_forbidden(admin_client, titles, change):
    assert admin_client.get(SEARCH, {**ASK, **change}).status_code == 403
    assert admin_client.get(SEARCH).status_code == 403


def test_models_that_cannot_be_searched(rf, admin_user, titles):
    other = admin.AdminSite(name="other")
    other.register(Movie)
    request = rf.get("/", ASK)
    request.user = admin_user
    searching = type(
        "SearchingAdmin",
        (GM2MAdminMixin, admin.ModelAdmin),
        {"autocomplete_fields": ["preferred_videos"], "gm2m_url_name": lambda self: ""},
    )
    with pytest.raises(Http404, match="search_fields"):
        searching(User, other).gm2m_autocomplete_view(request)


def test_field_that_does_not_search_has_no_answer(admin_client, titles):
    url = "/library/app/club/gm2m-autocomplete/"
    params = {"app_label": "app", "model_name": "club", "field_name": "library"}
    assert admin_client.get(url, params).status_code == 403


def test_django_answers_for_other_fields(admin_client):
    # Django's own endpoint does not take the field for one of content types.
    assert admin_client.get("/library/autocomplete/", ASK).status_code == 403


# Lists.


def test_column(admin_client, titles, jack):
    jack.preferred_videos.add(titles["aida"], titles["alien"])
    html = page(admin_client, reverse("library:app_user_changelist"))
    assert "Aida &lt;b&gt;&amp;amp;&lt;/b&gt;, Alien" in html
    assert "Preferred videos" in html
    assert "column-preferred_videos" in html


def test_cost_of_a_column(admin_client, titles, django_assert_max_num_queries):
    url = reverse("library:app_user_changelist")
    users = [User.objects.create(name=str(n)) for n in range(20)]
    users[0].preferred_videos.add(*titles.values())
    with django_assert_max_num_queries(100) as few:
        page(admin_client, url)
    for user in users:
        user.preferred_videos.add(*titles.values())
    with django_assert_max_num_queries(len(few)):
        page(admin_client, url)


def rows(client, **params):
    answer = client.get(reverse("library:app_user_changelist"), params)
    if answer.status_code != 200:
        return answer.status_code
    return sorted(user.name for user in answer.context_data["cl"].result_list)


def test_filter(admin_client, titles, jack):
    jill = User.objects.create(name="Jill")
    User.objects.create(name="Joe")
    jack.preferred_videos.add(titles["alien"], Movie.objects.create(title="Aliens"))
    jill.preferred_videos.add(titles["alien"], titles["aida"])
    html = page(admin_client, reverse("library:app_user_changelist"))
    for entry in ("Movies", "Operas", "Empty"):
        assert entry in html
    assert rows(admin_client) == ["Jack", "Jill", "Joe"]
    name = "preferred_videos__model"
    assert rows(admin_client, **{name: "app.movie"}) == ["Jack", "Jill"]
    assert rows(admin_client, **{name: "app.opera"}) == ["Jill"]
    assert rows(admin_client, **{name: "app.documentary"}) == []
    assert rows(admin_client, **{name: "none"}) == ["Joe"]
    assert rows(admin_client, **{name: "app.movie", "_facets": "True"}) == [
        "Jack",
        "Jill",
    ]
    for junk in ("x", "app.nothing", "\0"):
        assert rows(admin_client, **{name: junk}) == 302


def test_filters_of_other_fields_stay_as_they_are():
    of_names = ("name", admin.AllValuesFieldListFilter)
    assert filter_of(User, of_names) == of_names
    assert filter_of(User, "name") == "name"


def test_filter_by_objects_of_one_model(admin_client, titles, jack):
    User.objects.create(name="Jill")
    jack.preferred_videos.add(titles["aida"], Opera.objects.create(title=SECRET))
    html = page(admin_client, reverse("library:app_user_changelist"))
    assert "Aida &lt;b&gt;" in html
    assert SECRET not in html
    name = "preferred_videos__opera__id__exact"
    assert f"?{name}={titles['aida'].pk}" in html
    assert rows(admin_client, **{name: titles["aida"].pk}) == ["Jack"]
    assert rows(admin_client, **{name: Opera.objects.create(title="x").pk}) == []
    assert rows(admin_client, **{name: "junk"}) == 302


def test_list_is_searched_by_titles(admin_client, titles, jack):
    jill = User.objects.create(name="Jill")
    jack.preferred_videos.add(titles["alien"], Movie.objects.create(title="Aliens"))
    jill.preferred_videos.add(titles["nanook"])
    assert rows(admin_client, q="alien") == ["Jack"]
    assert rows(admin_client, q="jill") == ["Jill"]


# Fields that are shown.


def test_readonly_field(admin_client, titles, jack):
    jack.preferred_videos.add(titles["aida"], titles["alien"])
    url = change_url(jack, "readonly")
    html = page(admin_client, url)
    assert "Aida &lt;b&gt;&amp;amp;&lt;/b&gt;, Alien" in html
    post(admin_client, url, name="Jill")
    assert jack.preferred_videos.count() == 2
    html = page(admin_client, reverse("readonly:app_user_add"))
    assert "Preferred videos" in html


def test_delete_view(admin_client, titles, jack):
    jack.preferred_videos.add(titles["alien"])
    url = reverse("library:app_user_delete", args=[jack.pk])
    assert "Alien" not in page(admin_client, url)
    post(admin_client, url, post="yes")
    assert not User.objects.filter(pk=jack.pk).exists()
    assert Movie.objects.filter(pk=titles["alien"].pk).exists()


# Stock admins.


def test_stock_admin(admin_client, titles, jack):
    html = page(admin_client, change_url(jack, "stock"))
    assert '<optgroup label="Movies">' in html
    data = {"name": "Jack", "preferred_videos": ids(titles["alien"])}
    post(admin_client, change_url(jack, "stock"), **data)
    assert list(jack.preferred_videos.all()) == [titles["alien"]]


@pytest.mark.parametrize("model", ["undeclared", "playlist", "club", "movie"])
def test_stock_admin_of_other_sources_and_targets(admin_client, model, titles):
    page(admin_client, reverse(f"stock:app_{model}_add"))
    page(admin_client, reverse(f"stock:app_{model}_changelist"))


# Inlines.


def item_forms(*items, **data):
    """The formset of the playlist's inline."""
    prefix = "playlistitem_set"
    initial = sum("id" in item for item in items)
    data |= {
        f"{prefix}-TOTAL_FORMS": len(items),
        f"{prefix}-INITIAL_FORMS": initial,
    }
    for number, item in enumerate(items):
        data |= {f"{prefix}-{number}-{key}": value for key, value in item.items()}
    return data


def test_through_inline(admin_client, titles):
    playlist = Playlist.objects.create(name="x")
    video = Video.objects.get(pk=titles["alien"].pk)
    html = page(admin_client, change_url(playlist))
    assert 'data-ajax--url="/library/app/playlist/gm2m-autocomplete/"' in html
    assert 'data-field-name="item"' in html
    assert "content_type" not in html
    assert "object_id" not in html
    first, second = ids(video, titles["aida"])
    post(
        admin_client,
        change_url(playlist),
        **item_forms(
            {"gm2m_target": second, "position": 2, "note": "late"},
            {"gm2m_target": first, "position": 1, "note": "soon"},
            {"gm2m_target": "", "position": 0},
            name="x",
        ),
    )
    assert list(playlist.items.all()) == [video, titles["aida"]]
    html = page(admin_client, change_url(playlist))
    assert f'<option value="{first}" selected>Video: Alien</option>' in html
    item = PlaylistItem.objects.get(position=1)
    post(
        admin_client,
        change_url(playlist),
        **item_forms(
            {
                "id": item.pk,
                "playlist": playlist.pk,
                "gm2m_target": first,
                "position": 3,
                "note": "soon",
            },
            name="x",
        ),
    )
    assert list(playlist.items.all()) == [titles["aida"], video]


def test_through_inline_of_a_new_object(admin_client, titles):
    video = Video.objects.get(pk=titles["alien"].pk)
    post(
        admin_client,
        reverse("library:app_playlist_add"),
        **item_forms(
            {"gm2m_target": identifier(video), "position": 1, "note": "x"}, name="x"
        ),
    )
    assert list(Playlist.objects.get().items.all()) == [video]


def test_search_of_an_inline(admin_client, titles):
    url = "/library/app/playlist/gm2m-autocomplete/"
    params = {"app_label": "app", "model_name": "playlistitem", "field_name": "item"}
    answer = admin_client.get(url, {**params, "term": "Ali"}).json()
    (group,) = answer["results"]
    assert [item["text"] for item in group["children"]] == ["Video: Alien"]
    params["field_name"] = "playlist"
    assert admin_client.get(url, params).status_code == 403


def test_doubles_in_an_inline_are_a_message(admin_client, titles):
    playlist = Playlist.objects.create(name="x")
    (value,) = ids(titles["aida"])
    both = {"gm2m_target": value, "position": 1, "note": "x"}
    answer = admin_client.post(change_url(playlist), item_forms(both, both, name="x"))
    assert answer.status_code == 200
    assert "the duplicate data for Items.<" in answer.content.decode()
    playlist.items.add(titles["aida"])
    answer = admin_client.post(change_url(playlist), item_forms(both, name="x"))
    assert answer.status_code == 200
    message = "Playlist item with this Playlist and Items already exists."
    assert message in answer.content.decode()
    assert playlist.items.count() == 1


def test_errors_of_a_link_in_an_inline(admin_client, titles, monkeypatch):
    def clean(item):
        raise ValidationError("Not on a Sunday.")

    monkeypatch.setattr(PlaylistItem, "clean", clean)
    playlist = Playlist.objects.create(name="x")
    (value,) = ids(titles["aida"])
    forms = item_forms({"gm2m_target": value, "position": 1, "note": "x"}, name="x")
    answer = admin_client.post(change_url(playlist), forms)
    assert "Not on a Sunday." in answer.content.decode()


@pytest.mark.parametrize("value", ["x", "app.movie:1", "app.video:0", "app.video:\0"])
def test_bad_value_in_an_inline(admin_client, titles, value):
    playlist = Playlist.objects.create(name="x")
    answer = admin_client.post(
        change_url(playlist),
        item_forms({"gm2m_target": value, "position": 1}, name="x"),
    )
    assert answer.status_code == 200
    assert playlist.items.count() == 0


def test_through_inline_without_a_search(admin_client, titles):
    playlist = Playlist.objects.create(name="x")
    url = change_url(playlist, "second")
    html = page(admin_client, url)
    video = Video.objects.get(pk=titles["alien"].pk)
    (value,) = ids(video)
    assert "admin-autocomplete" not in html
    assert '<option value="" selected>---------</option>' in html
    assert '<optgroup label="Videos">' in html
    data = {"gm2m_target": value, "position": 1, "note": "x"}
    post(admin_client, url, **item_forms(data, name="x"))
    assert list(playlist.items.all()) == [video]
    assert f'value="{value}" selected>Alien<' in page(admin_client, url)


def test_through_inline_of_named_objects(admin_client):
    gallery = Gallery.objects.create(name="x")
    exhibit = Exhibit.objects.create(name="Vase")
    Exhibit.objects.create(name=SECRET)
    html = page(admin_client, change_url(gallery, "second"))
    assert f'value="{identifier(exhibit)}">Vase<' in html
    assert SECRET not in html


def test_key_that_is_too_long_for_a_link(admin_client, titles, monkeypatch):
    field = Playlist._meta.get_field("items")
    monkeypatch.setattr(field.links.key.field, "max_length", 9)
    playlist = Playlist.objects.create(name="x")
    data = {"gm2m_target": ids(titles["aida"])[0], "position": 1, "note": "x"}
    answer = admin_client.post(change_url(playlist), item_forms(data, name="x"))
    assert answer.status_code == 200
    assert "is longer than" in answer.content.decode()
    assert playlist.items.count() == 0


def test_inline_of_a_source(admin_client):
    estate = Estate.objects.create()
    bone, nail, secret = (
        Relic.objects.create(name=name) for name in ("Bone", "Nail", SECRET)
    )
    reliquary = Reliquary.objects.create(estate=estate)
    reliquary.protected.add(bone, secret)
    reliquary.kept.add(nail, secret)
    html = page(admin_client, change_url(estate))
    assert 'data-ajax--url="/library/app/estate/gm2m-autocomplete/"' in html
    assert "selectfilterstacked" in html
    assert f'value="{identifier(nail)}" selected>Relic: Nail<' in html
    assert '<div class="readonly">Bone</div>' in html
    assert SECRET not in html
    prefix = "reliquary_set"
    data = {
        f"{prefix}-TOTAL_FORMS": 2,
        f"{prefix}-INITIAL_FORMS": 1,
        f"{prefix}-0-id": reliquary.pk,
        f"{prefix}-0-estate": estate.pk,
        f"{prefix}-0-kept": ids(bone),
        f"{prefix}-0-restricted": ids(bone, nail),
        f"{prefix}-1-kept": ids(nail),
        f"{prefix}-1-restricted": ids(nail),
    }
    post(admin_client, change_url(estate), **data)
    assert list(reliquary.kept.all()) == [secret, bone]
    assert list(reliquary.restricted.all()) == [bone, nail]
    assert list(reliquary.protected.all()) == [bone, secret]
    assert estate.reliquary_set.count() == 2
    params = {"app_label": "app", "model_name": "reliquary", "field_name": "kept"}
    url = "/library/app/estate/gm2m-autocomplete/"
    (group,) = admin_client.get(url, params).json()["results"]
    assert {item["text"] for item in group["children"]} == {
        "Relic: Bone",
        "Relic: Nail",
    }
    for other in ("restricted", "protected"):
        assert admin_client.get(url, {**params, "field_name": other}).status_code == 403


def test_inline_of_an_automatic_through(admin_client, titles, jack):
    url = change_url(jack, "second")
    html = page(admin_client, url)
    assert 'data-field-name="gm2m_tgt"' in html
    prefix = "User_preferred_videos-"
    prefix = next(
        line.split('name="')[1].split("TOTAL")[0]
        for line in html.split("<input")
        if "TOTAL_FORMS" in line
    )
    data = {
        "name": "Jack",
        f"{prefix}TOTAL_FORMS": "2",
        f"{prefix}INITIAL_FORMS": "0",
        f"{prefix}0-gm2m_target": ids(titles["aida"])[0],
        f"{prefix}1-gm2m_target": ids(titles["woodstock"])[0],
    }
    post(admin_client, url, **data)
    assert list(jack.preferred_videos.all()) == [titles["aida"], titles["woodstock"]]
    assert "Concert: Woodstock" in page(admin_client, url)
    # Of columns that nobody sees, messages do not speak.
    answer = admin_client.post(url, data)
    assert "with this User and Preferred videos already" in answer.content.decode()
    jack.preferred_videos.clear()
    data[f"{prefix}1-gm2m_target"] = data[f"{prefix}0-gm2m_target"]
    answer = admin_client.post(url, data)
    assert "duplicate data for Preferred videos.<" in answer.content.decode()


def test_through_inline_of_something_else(rf, admin_user):
    from django.core.exceptions import ImproperlyConfigured

    class WrongInline(GM2MThroughInlineMixin, admin.TabularInline):
        model = Movie

    request = rf.get("/")
    request.user = admin_user
    with pytest.raises(ImproperlyConfigured, match="WrongInline"):
        WrongInline(Person, site).get_formset(request)


# Checks.


def checked(admin_class, model=User, on=site):
    return admin_class(model, on).check()


def test_admins_of_the_tests_are_right():
    for model_admin in site._registry.values():
        assert model_admin.check() == []


def test_raw_id_fields_are_refused():
    class RawAdmin(GM2MAdminMixin, admin.ModelAdmin):
        raw_id_fields = ["preferred_videos"]

    assert checked(RawAdmin) == [
        checks.Error(
            "The value of 'raw_id_fields[0]' cannot be app.User.preferred_videos: a "
            "key alone does not tell the model.",
            hint="Name the field in autocomplete_fields instead.",
            obj=RawAdmin,
            id="gm2m.E401",
        )
    ]


class SearchingAdmin(GM2MAdminMixin, admin.ModelAdmin):
    autocomplete_fields = ["preferred_videos"]


def test_targets_must_be_registered_and_searched():
    other = admin.AdminSite(name="other")
    other.register([Movie, Documentary, Concert], type("MovieAdmin", (TitleAdmin,), {}))
    other.register(Opera)
    errors = checked(SearchingAdmin, on=other)
    assert errors == [
        checks.Error(
            "The value of 'autocomplete_fields[0]' is app.User.preferred_videos, and "
            "ModelAdmin, the admin of 'app.Opera', has no search_fields.",
            hint="Set its search_fields.",
            obj=SearchingAdmin,
            id="gm2m.E403",
        ),
        *(
            checks.Error(
                "The value of 'autocomplete_fields[0]' is app.User.preferred_videos, "
                f"and the admin site 'other' has no admin for '{label}', which it "
                "declares.",
                hint="Register the model, or choose by filter_horizontal.",
                obj=SearchingAdmin,
                id="gm2m.E402",
            )
            for label in ("app.Premiere", "app.Poster")
        ),
    ]


class TitleAdmin(admin.ModelAdmin):
    search_fields = ["title"]


def test_list_editable_is_refused():
    class EditableAdmin(GM2MAdminMixin, admin.ModelAdmin):
        list_display = ["name", "preferred_videos"]
        list_editable = ["preferred_videos"]

    assert [error.id for error in checked(EditableAdmin)] == ["gm2m.E404"]


def test_filter_beyond_the_targets_is_refused():
    class BeyondAdmin(GM2MAdminMixin, admin.ModelAdmin):
        list_filter = ["preferred_videos__movie__year"]

    assert checked(BeyondAdmin) == [
        checks.Error(
            "The value of 'list_filter[0]' goes beyond the targets of "
            "app.User.preferred_videos.",
            hint="Name 'preferred_videos' or 'preferred_videos__movie', or write a "
            "SimpleListFilter.",
            obj=BeyondAdmin,
            id="gm2m.E406",
        )
    ]


@pytest.mark.parametrize(
    ("item", "is_refused"),
    [
        ("preferred_videos", True),
        ("^preferred_videos", True),
        ("preferred_videos__movie", True),
        ("preferred_videos__movie__title", False),
        ("preferred_videos__gm2m_pk", False),
        ("name", False),
    ],
)
def test_searching_the_field_itself_is_refused(item, is_refused):
    class SearchingAdmin(GM2MAdminMixin, admin.ModelAdmin):
        search_fields = ["name", item]

    error = checks.Error(
        "The value of 'search_fields[1]' is app.User.preferred_videos, which has no "
        "text of its own to search.",
        hint="Name a field of one model, as in 'preferred_videos__<model>__<field>'.",
        obj=SearchingAdmin,
        id="gm2m.E407",
    )
    assert checked(SearchingAdmin) == ([error] if is_refused else [])


def test_search_fields_are_a_list():
    class SearchingAdmin(GM2MAdminMixin, admin.ModelAdmin):
        search_fields = "preferred_videos"

    assert [error.id for error in checked(SearchingAdmin)] == ["admin.E126"]


def test_inline_needs_a_parent_that_searches():
    class UserInline(GM2MAdminMixin, admin.TabularInline):
        model = User
        autocomplete_fields = ["preferred_videos"]

    errors = UserInline(Person, site).check()
    assert "gm2m.E405" in [error.id for error in errors]


def test_checks_of_other_fields_are_djangos():
    class WrongAdmin(GM2MAdminMixin, admin.ModelAdmin):
        autocomplete_fields = ["name"]
        raw_id_fields = ["nothing"]
        list_display = ["nothing", str]
        list_filter = ["nothing"]
        list_editable = ["nothing"]
        list_display_links = ["name"]

    assert {error.id for error in checked(WrongAdmin)} >= {
        "admin.E038",
        "admin.E002",
        "admin.E108",
        "admin.E116",
        "admin.E121",
    }


def test_searches_answer_in_json(admin_client, titles):
    answer = admin_client.get(SEARCH, ASK)
    assert answer["Content-Type"] == "application/json"
    json.loads(answer.content)
