"""
The field in Django's admin: two mixins, and the classes they use.

``GM2MAdminMixin`` goes before ``ModelAdmin``, ``TabularInline`` or ``StackedInline`` of
a model that has the field, ``GM2MThroughInlineMixin`` before an inline of its through
model. What a user may see of the targets is said in one place, ``visibility``; forms
(``choices``), searches (``views``) and lists (``lists``) ask there.
"""

from .inlines import GM2MThroughInlineMixin
from .options import GM2MAdminMixin

__all__ = ["GM2MAdminMixin", "GM2MThroughInlineMixin"]
