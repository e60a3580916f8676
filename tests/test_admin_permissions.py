"""What users of the admin see and change, who may view some models and others not."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as Account
from django.urls import reverse

from gm2m.identifiers import identifier
from tests.admin_sites import SECRET
from tests.app.models import Book, Concert, Movie, Opera, Playlist, User, Video

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin_sites")]

SEARCH = "/library/app/user/gm2m-autocomplete/"
ASK = {"app_label": "app", "model_name": "user", "field_name": "preferred_videos"}


@pytest.fixture
def alien():
    return Movie.objects.create(title="Alien")


@pytest.fixture
def aida():
    return Opera.objects.create(title="Aida")


@pytest.fixture
def secret():
    """An opera that its admin hides."""
    return Opera.objects.create(title=f"{SECRET} opera")


@pytest.fixture
def woodstock():
    return Concert.objects.create(code="w:69", title="Woodstock")


@pytest.fixture
def emma():
    """An object of a model that the field does not declare."""
    return Book.objects.create(title="Emma")


@pytest.fixture
def jack(alien, aida, secret, woodstock, emma):
    user = User.objects.create(name="Jack")
    user.preferred_videos.add(alien, aida, secret, woodstock, emma)
    return user


@pytest.fixture
def login(client):
    """Log in someone with these permissions, and no others."""

    def login(*permissions):
        account = Account.objects.create_user("clerk", password="x", is_staff=True)
        for codename in permissions:
            account.user_permissions.add(
                Permission.objects.get(codename=codename, content_type__app_label="app")
            )
        client.force_login(account)
        return client

    return login


def ids(*objs):
    return [identifier(obj) for obj in objs]


def change_url(obj, name="library"):
    opts = obj._meta
    return reverse(f"{name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk])


def linked(user):
    return {target.title for target in user.preferred_videos.all()}


ALL = {"Alien", "Aida", "Secret opera", "Woodstock", "Emma"}
CLERK = ("view_user", "change_user", "add_user", "view_movie", "view_opera")


def test_page_shows_what_may_be_viewed(login, jack):
    html = login(*CLERK).get(change_url(jack)).content.decode()
    assert html.count("selected>") == 2
    assert "Alien" in html
    assert "Aida" in html
    for hidden in ("Secret", "Woodstock", "w:69", "Emma"):
        assert hidden not in html


def test_what_is_not_shown_stays(login, jack, alien):
    answer = login(*CLERK).post(
        change_url(jack), {"name": "Jack", "preferred_videos": ids(alien)}
    )
    assert answer.status_code == 302
    assert linked(jack) == ALL - {"Aida"}


def test_nothing_chosen_leaves_what_is_not_shown(login, jack):
    # The field is required, and not empty.
    answer = login(*CLERK).post(change_url(jack), {"name": "Jack"})
    assert answer.status_code == 302
    assert linked(jack) == ALL - {"Alien", "Aida"}
    # Now there is nothing left that this user could take away.
    answer = login_again(login).post(change_url(jack), {"name": "Jack"})
    assert answer.status_code == 302


def login_again(login, *permissions):
    Account.objects.filter(username="clerk").delete()
    return login(*(permissions or CLERK))


def test_required_field_must_not_become_empty(login, alien):
    user = User.objects.create(name="Jill")
    user.preferred_videos.add(alien)
    answer = login(*CLERK).post(change_url(user), {"name": "Jill"})
    assert answer.status_code == 200
    errors = answer.context_data["adminform"].form.errors
    assert errors["preferred_videos"] == ["This field is required."]
    assert linked(user) == {"Alien"}


def test_unchanged_page_is_no_change(login, jack, alien, aida):
    client = login(*CLERK)
    client.post(
        change_url(jack), {"name": "Jack", "preferred_videos": ids(alien, aida)}
    )
    html = client.get(reverse("library:app_user_history", args=[jack.pk]))
    assert "No fields changed." in html.content.decode()
    assert linked(jack) == ALL


@pytest.mark.parametrize("name", ["secret", "woodstock", "emma"])
@pytest.mark.parametrize("is_linked", [True, False])
def test_hostile_post_is_refused_without_a_label(login, jack, request, name, is_linked):
    obj = request.getfixturevalue(name)
    if not is_linked:
        jack.preferred_videos.remove(obj)
    before = linked(jack)
    (value,) = ids(obj)
    answer = login(*CLERK).post(
        change_url(jack), {"name": "Jack", "preferred_videos": [value]}
    )
    assert answer.status_code == 200
    (message,) = answer.context_data["adminform"].form.errors["preferred_videos"]
    assert message == (
        f"Select a valid choice. {value} is not one of the available choices."
    )
    html = answer.content.decode()
    for label in ("Secret", "Woodstock", "Emma"):
        assert label not in html
    assert linked(jack) == before


def test_refusal_does_not_tell_whether_there_is_such_an_object(login, jack, secret):
    client = login(*CLERK)
    messages = set()
    for pk in (secret.pk, "00000000-0000-0000-0000-000000000000"):
        data = {"name": "Jack", "preferred_videos": [f"app.opera:{pk}"]}
        answer = client.post(change_url(jack), data)
        (message,) = answer.context_data["adminform"].form.errors["preferred_videos"]
        messages.add(message.replace(str(pk), "KEY"))
    assert len(messages) == 1


def test_initial_values_from_the_url_show_no_label(login, secret, woodstock, aida):
    values = ",".join(ids(secret, woodstock, aida))
    url = reverse("library:app_user_add") + f"?preferred_videos={values}"
    html = login(*CLERK).get(url).content.decode()
    assert html.count("selected>") == 1
    assert "Aida" in html
    assert "Secret" not in html
    assert "Woodstock" not in html


@pytest.fixture
def limited(monkeypatch):
    field = User._meta.get_field("preferred_videos")
    monkeypatch.setattr(
        field.remote_field, "limit_choices_to", {Movie: {"title__startswith": "B"}}
    )


def test_what_is_linked_beyond_the_limits_is_offered(login, jack, alien, aida, limited):
    client = login(*CLERK)
    assert "Movie: Alien" in client.get(change_url(jack)).content.decode()
    data = {"name": "Jack", "preferred_videos": ids(alien, aida)}
    assert client.post(change_url(jack), data).status_code == 302
    assert linked(jack) == ALL
    data["preferred_videos"] = ids(aida)
    assert client.post(change_url(jack), data).status_code == 302
    assert linked(jack) == ALL - {"Alien"}
    # Once it is taken away, it is not offered again.
    data["preferred_videos"] = ids(alien)
    answer = client.post(change_url(jack), data)
    assert answer.status_code == 200
    assert "Movie: Alien" not in answer.content.decode()


def test_object_beyond_the_limits_is_refused(login, jack, limited):
    aliens = Movie.objects.create(title="Aliens")
    data = {"name": "Jack", "preferred_videos": ids(aliens)}
    answer = login(*CLERK).post(change_url(jack), data)
    assert answer.status_code == 200
    assert "Aliens" not in answer.content.decode()


# Searching.


def test_search_shows_what_may_be_viewed(login, jack):
    answer = login(*CLERK).get(SEARCH, ASK).json()
    labels = [item["text"] for group in answer["results"] for item in group["children"]]
    assert labels == ["Movie: Alien", "Opera: Aida"]


def test_search_without_any_permission_to_view_finds_nothing(login, jack):
    client = login("view_user", "change_user")
    answer = client.get(SEARCH, ASK)
    assert answer.status_code == 200
    assert answer.json() == {"results": [], "pagination": {"more": False}}
    html = client.get(change_url(jack)).content.decode()
    assert "selected>" not in html
    client.post(change_url(jack), {"name": "Jack"})
    assert linked(jack) == ALL


def test_change_permission_lets_view(login, jack):
    html = login("change_user", "change_movie").get(change_url(jack)).content.decode()
    assert "Movie: Alien" in html


@pytest.mark.parametrize("name", ["library", "second"])
def test_anonymous_users_are_redirected(client, jack, name):
    for url in (SEARCH, change_url(jack)):
        answer = client.get(url, ASK)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


def test_users_who_are_no_staff_are_redirected(client, jack):
    client.force_login(Account.objects.create_user("reader", password="x"))
    answer = client.get(SEARCH, ASK)
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


# Showing.


def test_column_shows_what_may_be_viewed(login, jack):
    html = login(*CLERK).get(reverse("library:app_user_changelist")).content.decode()
    assert ">Alien, Aida<" in html
    for hidden in ("Secret", "Woodstock", "Emma", "Book"):
        assert hidden not in html


def test_filter_offers_what_may_be_viewed(login, jack, secret, woodstock):
    url = reverse("library:app_user_changelist")
    client = login(*CLERK)
    html = client.get(url).content.decode()
    assert "Movies" in html
    assert "Concerts" not in html
    assert "preferred_videos__opera__id__exact" in html
    assert "Secret" not in html
    hers = login_again(login, "view_user").get(url).content.decode()
    assert "preferred_videos__" not in hers
    client = login_again(login)
    answer = client.get(url, {"preferred_videos__opera__id__exact": str(secret.pk)})
    assert answer.status_code == 302
    answer = client.get(url, {"preferred_videos__model": "app.concert"})
    assert answer.status_code == 302
    jill = User.objects.create(name="Jill")
    jill.preferred_videos.add(secret)
    answer = client.get(url, {"preferred_videos__model": "app.opera"})
    assert list(answer.context_data["cl"].result_list) == [jack]


@pytest.mark.parametrize(
    ("site", "permissions"),
    [
        ("readonly", CLERK),
        ("readonly", ("view_user", "view_movie", "view_opera")),
        ("library", ("view_user", "view_movie", "view_opera")),
    ],
)
def test_what_is_only_shown(login, jack, site, permissions):
    html = login(*permissions).get(change_url(jack, site)).content.decode()
    assert "Alien, Aida" in html
    for hidden in ("Secret", "Woodstock", "Emma", "Book"):
        assert hidden not in html


def test_user_who_may_only_view_cannot_save(login, jack, alien):
    client = login("view_user", "view_movie")
    data = {"name": "Jack", "preferred_videos": ids(alien)}
    assert client.post(change_url(jack), data).status_code == 403
    assert linked(jack) == ALL


def test_error_on_a_page_that_shows_the_field(login, jack):
    answer = login(*CLERK).post(change_url(jack, "readonly"), {"name": ""})
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "Alien, Aida" in html
    assert "Secret" not in html


# Inlines.

INLINE = (
    "view_playlist",
    "change_playlist",
    "view_playlistitem",
    "change_playlistitem",
    "add_playlistitem",
    "delete_playlistitem",
    "view_video",
)


@pytest.fixture
def playlist(alien, aida):
    playlist = Playlist.objects.create(name="x")
    video = Video.objects.get(pk=alien.pk)
    playlist.items.add(video, aida, through_defaults={"note": "x"})
    return playlist


def test_inline_shows_what_may_be_viewed(login, playlist, alien, aida):
    client = login(*INLINE)
    html = client.get(change_url(playlist)).content.decode()
    assert "Video: Alien" in html
    assert "Aida" not in html
    row = playlist.items.through.objects.order_by("pk").first()
    prefix = "playlistitem_set"
    data = {
        "name": "x",
        f"{prefix}-TOTAL_FORMS": 1,
        f"{prefix}-INITIAL_FORMS": 1,
        f"{prefix}-0-id": row.pk,
        f"{prefix}-0-playlist": playlist.pk,
        f"{prefix}-0-gm2m_target": f"app.video:{alien.pk}",
        f"{prefix}-0-note": "x",
        f"{prefix}-0-position": 0,
        f"{prefix}-0-DELETE": "on",
    }
    assert client.post(change_url(playlist), data).status_code == 302
    assert list(playlist.items.all()) == [aida]


def test_inline_refuses_what_may_not_be_viewed(login, playlist):
    otello = Opera.objects.create(title="Otello")
    hidden = playlist.items.through.objects.order_by("pk").last()
    client = login(*INLINE)
    prefix = "playlistitem_set"
    new = {
        f"{prefix}-0-gm2m_target": identifier(otello),
        f"{prefix}-0-note": "x",
        f"{prefix}-0-position": 0,
    }
    data = {
        "name": "x",
        f"{prefix}-TOTAL_FORMS": 1,
        f"{prefix}-INITIAL_FORMS": 0,
        **new,
    }
    answer = client.post(change_url(playlist), data)
    assert answer.status_code == 200
    assert "Otello" not in answer.content.decode()
    data |= {
        f"{prefix}-INITIAL_FORMS": 1,
        f"{prefix}-0-id": hidden.pk,
        f"{prefix}-0-DELETE": "on",
    }
    client.post(change_url(playlist), data)
    del data[f"{prefix}-0-DELETE"]
    assert client.post(change_url(playlist), data).status_code == 200
    assert {item.title for item in playlist.items.all()} == {"Alien", "Aida"}


def test_inline_needs_no_permission_on_content_types(login, playlist):
    html = login(*INLINE).get(change_url(playlist)).content.decode()
    assert "gm2m_target" in html
    assert "playlistitem_set-TOTAL_FORMS" in html


def test_inline_of_an_automatic_through_asks_for_the_parents_permissions(login, jack):
    client = login("change_user", "view_movie")
    html = client.get(change_url(jack, "second")).content.decode()
    assert "gm2m_target" in html
    assert "Alien" in html
    assert "Aida" not in html
