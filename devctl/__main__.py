"""`python -m devctl`."""

from devctl.app import main

main()
