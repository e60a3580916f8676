from django.contrib import admin

from gm2m.admin import GM2MAdminMixin, GM2MThroughInlineMixin
from gm2m.connections.admin import ConnectionAdmin
from library.models import (
    Concert,
    Documentary,
    Movie,
    Opera,
    Page,
    Person,
    Playlist,
    PlaylistItem,
    Slot,
    Style,
    Viewer,
)


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    search_fields = ["name"]


@admin.register(Movie)
class MovieAdmin(admin.ModelAdmin):
    list_display = ["title", "year", "director"]
    list_select_related = ["director"]
    search_fields = ["title", "director__name"]


@admin.register(Documentary)
class DocumentaryAdmin(admin.ModelAdmin):
    list_display = ["title", "year", "subject"]
    search_fields = ["title", "subject"]


@admin.register(Opera)
class OperaAdmin(admin.ModelAdmin):
    list_display = ["title", "composer", "year"]
    list_select_related = ["composer"]
    search_fields = ["title", "composer__name"]


@admin.register(Concert)
class ConcertAdmin(admin.ModelAdmin):
    list_display = ["title", "venue", "date"]
    search_fields = ["title", "venue"]


@admin.register(Viewer)
class ViewerAdmin(GM2MAdminMixin, admin.ModelAdmin):
    autocomplete_fields = ["preferred_videos"]
    list_display = ["name", "preferred_videos"]
    list_filter = ["preferred_videos"]
    search_fields = ["name"]


class PlaylistItemInline(GM2MThroughInlineMixin, admin.TabularInline):
    model = PlaylistItem
    extra = 1


@admin.register(Playlist)
class PlaylistAdmin(GM2MAdminMixin, admin.ModelAdmin):
    list_display = ["name", "owner"]
    list_select_related = ["owner"]
    inlines = [PlaylistItemInline]


admin.site.register([Page, Style])


@admin.register(Slot)
class SlotAdmin(ConnectionAdmin):
    list_display = ["from_object", "to_object", "start_time", "end_time"]
