"""The energy datastore's part of the catalog: projects, their owners, blocks, attributes, traces and runs."""
