"""The VAE that the notebooks teach, in NumPy alone: no files, no widgets, no figures.

Read `layers`, `losses` and `model` first, then `optimizers`, `schedules`, `metrics` and `training`,
then `gradient_checking` and `latent`. `convolution` has the other kind of layer, `architecture` the
list of a model's layers. `metrics` builds on `inference` (how good the posteriors are) and
`sliced_wasserstein` (how real the images look). `blocks` is about speed, so it can wait: read its
`matmul` as `@`. `random_streams` is about seeds. Imports the errors of `system`.
"""
