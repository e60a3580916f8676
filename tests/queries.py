"""What tests know of numbers of queries."""

from django.db import connection

#: What it costs to wait for others that write links of the same object.
LOCK = 1 if connection.features.has_select_for_update else 0
