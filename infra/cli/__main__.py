"""`python -m infra.cli ROLE`: how the roles are started."""

from infra.cli import main

main()
