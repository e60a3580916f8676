"""
Django REST framework: the links of a ``GM2MField`` in serializers.

``GM2MRelatedField``
    an object of any model, as the string ``app_label.model_name:pk``, or with
    ``many=True`` the objects that a field links;
``GM2MModelSerializerMixin``
    for model serializers, so that they have such a field for each ``GM2MField``.

It needs ``djangorestframework``, the extra ``drf``.
"""

from .fields import GM2MRelatedField
from .serializers import GM2MModelSerializerMixin

__all__ = ["GM2MModelSerializerMixin", "GM2MRelatedField"]
