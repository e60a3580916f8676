"""django-unfold, a skin of the admin."""

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.sites import site as default_site
from django.urls import path
from unfold.admin import ModelAdmin, TabularInline
from unfold.sites import UnfoldAdminSite

from .models import Movie, Viewer

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

Through = Viewer.preferred_videos.through


class LinkInline(TabularInline):
    model = Through
    extra = 0


class ViewerAdmin(ModelAdmin):
    list_display = ["name", "videos"]
    list_filter = ["name"]
    inlines = [LinkInline]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("preferred_videos")

    def videos(self, viewer):
        return ", ".join(map(str, viewer.preferred_videos.all()))


class PlainAdmin(ModelAdmin):
    pass


site = UnfoldAdminSite(name="unfolded")
site.register(Viewer, ViewerAdmin)
site.register(Movie, PlainAdmin)
plain_site = UnfoldAdminSite(name="plain")
plain_site.register(Viewer, PlainAdmin)

urlpatterns = [
    path("admin/", default_site.urls),
    path("unfolded/", site.urls),
    path("plain/", plain_site.urls),
]


def page(client, address, **data):
    response = client.post(address, data) if data else client.get(address)
    assert response.status_code == (302 if data else 200), response.content.decode()
    return response.content.decode()


# unfold's own, on Django 6.1.
@pytest.mark.filterwarnings("ignore:Overriding get_action_choices")
def test_lists(library, admin_client):
    text = page(admin_client, "/unfolded/ecosystem/viewer/")
    assert "Casablanca, Tosca, The Last Waltz" in text
    assert "unfold" in text


@pytest.mark.parametrize("prefix", ["unfolded", "plain"])
def test_forms(library, admin_client, prefix):
    address = f"/{prefix}/ecosystem/viewer/"
    assert 'name="name"' in page(admin_client, f"{address}add/")
    assert 'value="Ada"' in page(admin_client, f"{address}{library.ada.pk}/change/")


def test_a_plain_form_is_saved(library, admin_client):
    address = f"/plain/ecosystem/viewer/{library.ada.pk}/change/"
    form = admin_client.get(address).context["adminform"].form
    data = {"name": "Eve"}
    if "preferred_videos" in form.fields:
        data["preferred_videos"] = form["preferred_videos"].value()
    page(admin_client, address, **data)
    library.ada.refresh_from_db()
    assert library.ada.name == "Eve"
    assert library.ada.preferred_videos.count() == 3


def test_deletion(library, admin_client):
    address = f"/unfolded/ecosystem/movie/{library.casablanca.pk}/delete/"
    assert "Casablanca" in page(admin_client, address)
    page(admin_client, address, post="yes")
    assert not Movie.objects.filter(pk=library.casablanca.pk).exists()
    assert library.ada.preferred_videos.count() == 2


def test_its_checks_have_nothing_to_say():
    for admin_site in (site, plain_site):
        assert isinstance(admin_site, AdminSite)
        assert [
            message
            for admin in admin_site._registry.values()
            for message in admin.check()
        ] == []
