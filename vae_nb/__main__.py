"""`python -m vae_nb` is the `vae-nb` command."""

from vae_nb.cli import main

main()
