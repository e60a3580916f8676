"""django-debug-toolbar."""

import re

import pytest
from django.http import HttpResponse
from django.template import Context, Template
from django.urls import include, path

from .models import Viewer

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

PAGE = Template(
    "<html><body>{% for viewer in viewers %}{{ viewer }}: "
    "{% for video in viewer.preferred_videos.all %}{{ video }}, {% endfor %}"
    "{% endfor %}{{ links }}</body></html>"
)


def page(request):
    viewers = Viewer.objects.prefetch_related("preferred_videos")
    links = viewers[0].preferred_videos.all()
    return HttpResponse(PAGE.render(Context({"viewers": viewers, "links": links})))


urlpatterns = [
    path("", page),
    path("__debug__/", include("debug_toolbar.urls")),
]


@pytest.fixture
def toolbar(settings):
    settings.DEBUG = True
    settings.MIDDLEWARE = [
        "debug_toolbar.middleware.DebugToolbarMiddleware",
        *settings.MIDDLEWARE,
    ]
    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda request: True}


def test_a_page_with_the_toolbar(library, client, toolbar):
    response = client.get("/")
    text = response.content.decode()
    assert "Casablanca, Tosca, The Last Waltz," in text
    (request,) = re.findall(r'data-request-id="(\w+)"', text)
    for panel, expected in (
        # The links and their targets are read by queries like any others.
        ("SQLPanel", "ecosystem_viewer_preferred_videos"),
        # A mixed queryset is in the context.
        ("TemplatesPanel", "gm2mqueryset of ecosystem.Viewer_preferred_videos"),
        ("StaticFilesPanel", ""),
        ("SignalsPanel", "m2m_changed"),
    ):
        data = {"request_id": request, "panel_id": panel}
        content = client.get("/__debug__/render_panel/", data).json()["content"]
        assert expected in content, content
