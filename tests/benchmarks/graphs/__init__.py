"""
The contenders of the benchmark of graphs, each in a process of its own.

``connections`` is this library, ``recursion`` what one writes first: a model of edges,
and a query for each object. ``dag`` is django-postgresql-dag, whose recursive queries
need PostgreSQL, and which has an environment of its own.
"""
