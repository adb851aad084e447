"""The VAE that the notebooks teach, in NumPy alone: no files, no widgets, no figures.

Read `layers`, `losses` and `model` first, then `optimizers`, `schedules` and `training`, then
`gradient_checking`, `metrics` and `latent`. `blocks` is about speed and `random_streams` about
seeds. Imports the errors of `system`.
"""
