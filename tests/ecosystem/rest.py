"""The REST interface that the tests talk to."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.relations import StringRelatedField
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import HyperlinkedModelSerializer, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from gm2m.rest_framework import GM2MModelSerializerMixin, GM2MRelatedField

from .models import Anything, Critic, Movie, Opera, Viewer


class ViewerSerializer(GM2MModelSerializerMixin, ModelSerializer):
    class Meta:
        model = Viewer
        fields = "__all__"


class CriticSerializer(GM2MModelSerializerMixin, ModelSerializer):
    class Meta:
        model = Critic
        fields = "__all__"


class MovieSerializer(ModelSerializer):
    class Meta:
        model = Movie
        fields = ["title", "year"]


class OperaSerializer(ModelSerializer):
    class Meta:
        model = Opera
        fields = ["title"]


class NestedViewerSerializer(ModelSerializer):
    preferred_videos = GM2MRelatedField(
        {Movie: MovieSerializer, Opera: OperaSerializer()}, many=True
    )

    class Meta:
        model = Viewer
        fields = ["id", "name", "preferred_videos"]


class TitledViewerSerializer(ModelSerializer):
    preferred_videos = GM2MRelatedField(
        {Movie: StringRelatedField()}, many=True, read_only=True
    )

    class Meta:
        model = Viewer
        fields = ["preferred_videos"]


class DeepViewerSerializer(GM2MModelSerializerMixin, ModelSerializer):
    class Meta:
        model = Viewer
        fields = ["name", "preferred_videos"]
        depth = 1


class AnythingSerializer(GM2MModelSerializerMixin, HyperlinkedModelSerializer):
    class Meta:
        model = Anything
        fields = ["url", "name", "things"]


class ViewerViews(ModelViewSet):
    queryset = Viewer.objects.prefetch_related("preferred_videos").order_by("pk")
    serializer_class = ViewerSerializer


class CriticViews(ModelViewSet):
    queryset = Critic.objects.order_by("pk")
    serializer_class = CriticSerializer


class NestedViewerViews(ModelViewSet):
    queryset = Viewer.objects.prefetch_related("preferred_videos").order_by("pk")
    serializer_class = NestedViewerSerializer


class TitledViewerViews(ModelViewSet):
    queryset = Viewer.objects.prefetch_related("preferred_videos").order_by("pk")
    serializer_class = TitledViewerSerializer


class DeepViewerViews(ModelViewSet):
    queryset = Viewer.objects.prefetch_related("preferred_videos__director")
    serializer_class = DeepViewerSerializer


class AnythingViews(ModelViewSet):
    queryset = Anything.objects.prefetch_related("things").order_by("pk")
    serializer_class = AnythingSerializer


api = DefaultRouter()
api.register("viewers", ViewerViews, "viewer")
api.register("critics", CriticViews, "critic")
api.register("nested", NestedViewerViews, "nested")
api.register("titled", TitledViewerViews, "titled")
api.register("deep", DeepViewerViews, "deep")
api.register("anythings", AnythingViews, "anything")

urlpatterns = [
    path("", include(api.urls)),
    path("schema", SpectacularAPIView.as_view()),
]
