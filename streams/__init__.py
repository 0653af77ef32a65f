"""Stream processing: a pure columnar core, and the Faust shell that carries it."""
