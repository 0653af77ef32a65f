"""The REST API of the energy datastore: its own manners, over the same catalog and the same tokens."""
