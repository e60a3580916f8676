"""
Serializers that write links by natural keys, for projects that ask for them.

Django does not tell a field that natural keys are wanted, so its own serializers
always write the keys of targets. These differ from Django's in that alone; whatever
they write, Django's own deserializers read. In the settings::

    SERIALIZATION_MODULES = {"json": "gm2m.serializers.json"}
"""
