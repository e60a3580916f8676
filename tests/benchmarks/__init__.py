"""
Benchmarks: this field beside what else could be used in its place.

``nox -s benchmark`` runs them. They measure and never fail a test run; the results of
operations are checked before they are timed. The yardstick is Django itself, three
``ManyToManyField``s on the same data in the same run.

``__main__``
    starts a process for each contender, has them take turns, and reports;
``worker``
    such a process: its database, its data, and what it is told to do;
``contenders``
    how each contender does what is measured;
``operations``
    what is measured.
"""
