"""The admin sites of the tests of the admin, and their URLs."""

from django.contrib import admin
from django.urls import path

from gm2m.admin import GM2MAdminMixin, GM2MThroughInlineMixin
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
    Poster,
    Premiere,
    Relic,
    Reliquary,
    Undeclared,
    User,
    Video,
)

#: What the admin of operas hides.
SECRET = "Secret"


class TitleAdmin(admin.ModelAdmin):
    search_fields = ["title"]
    ordering = ["title"]


class MovieAdmin(TitleAdmin):
    search_fields = ["title", "user__name"]


class OperaAdmin(TitleAdmin):
    def get_queryset(self, request):
        return super().get_queryset(request).exclude(title__startswith=SECRET)


class UserAdmin(GM2MAdminMixin, admin.ModelAdmin):
    autocomplete_fields = ["preferred_videos"]
    list_display = ["name", "preferred_videos"]
    list_filter = ["preferred_videos", "preferred_videos__opera", "name"]
    search_fields = ["name", "preferred_videos__movie__title"]
    save_as = True


class ClubAdmin(GM2MAdminMixin, admin.ModelAdmin):
    filter_horizontal = ["library"]


class PlaylistItemInline(GM2MThroughInlineMixin, admin.TabularInline):
    model = PlaylistItem
    extra = 1


class PlaylistAdmin(GM2MAdminMixin, admin.ModelAdmin):
    inlines = [PlaylistItemInline]


class LinkInline(GM2MThroughInlineMixin, admin.StackedInline):
    model = User.preferred_videos.through
    extra = 1


class LinksAdmin(GM2MAdminMixin, admin.ModelAdmin):
    fields = ["name"]
    inlines = [LinkInline]


class PlainItemInline(GM2MThroughInlineMixin, admin.TabularInline):
    model = PlaylistItem
    fields = ["gm2m_target", "position", "note"]
    extra = 1


class PlainPlaylistAdmin(admin.ModelAdmin):
    inlines = [PlainItemInline]


class OthersInline(GM2MThroughInlineMixin, admin.TabularInline):
    model = Gallery.others.through
    gm2m_models = [Exhibit.objects.exclude(name=SECRET)]
    extra = 1


class GalleryAdmin(admin.ModelAdmin):
    fields = ["name"]
    inlines = [OthersInline]


class ReliquaryInline(GM2MAdminMixin, admin.StackedInline):
    model = Reliquary
    autocomplete_fields = ["kept"]
    filter_vertical = ["restricted"]
    readonly_fields = ["protected"]
    extra = 1


class EstateAdmin(GM2MAdminMixin, admin.ModelAdmin):
    inlines = [ReliquaryInline]


class RelicAdmin(admin.ModelAdmin):
    search_fields = ["name"]

    def get_queryset(self, request):
        return super().get_queryset(request).exclude(name=SECRET)


class ReadonlyAdmin(GM2MAdminMixin, admin.ModelAdmin):
    readonly_fields = ["preferred_videos"]


site = admin.AdminSite(name="library")
site.register([Movie, Documentary], MovieAdmin)
site.register([Concert, Video, Premiere, Poster], TitleAdmin)
site.register(Opera, OperaAdmin)
site.register(User, UserAdmin)
site.register(Club, ClubAdmin)
site.register(Playlist, PlaylistAdmin)
site.register(Estate, EstateAdmin)
site.register(Relic, RelicAdmin)
site.register([Person, Undeclared])

#: The same models once more, in other ways.
second = admin.AdminSite(name="second")
second.register([Movie, Documentary, Concert, Premiere, Poster], TitleAdmin)
second.register(Opera, OperaAdmin)
second.register(User, LinksAdmin)
second.register(Playlist, PlainPlaylistAdmin)
second.register(Gallery, GalleryAdmin)

#: The field cannot be edited, and by stock admins.
readonly = admin.AdminSite(name="readonly")
readonly.register(Opera, OperaAdmin)
readonly.register(User, ReadonlyAdmin)

stock = admin.AdminSite(name="stock")
stock.register([User, Club, Undeclared, Playlist, Movie])

urlpatterns = [
    path("admin/", admin.site.urls),
    path("library/", site.urls),
    path("second/", second.urls),
    path("readonly/", readonly.urls),
    path("stock/", stock.urls),
]
