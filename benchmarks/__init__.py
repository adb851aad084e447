"""Measurements of vae_nb beside PyTorch and JAX. vae_nb never imports them."""
