"""A project of 300 models, of which 20 have a field or some, or none has."""
