"""
The people and titles of the documentation: a page that imports this module has them in
the database.
"""

from library.models import Movie, Opera, Person, Viewer

curtiz = Person.objects.create(name="Michael Curtiz")
puccini = Person.objects.create(name="Giacomo Puccini")
casablanca = Movie.objects.create(title="Casablanca", year=1942, director=curtiz)
tosca = Opera.objects.create(title="Tosca", year=1900, composer=puccini)
ada, bruno, chiara, devi, emeka, freya = (
    Viewer.objects.create(name=name)
    for name in ("Ada", "Bruno", "Chiara", "Devi", "Emeka", "Freya")
)
