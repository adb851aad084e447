"""Measurements of vae_nb beside its peers; never imported by vae_nb."""
