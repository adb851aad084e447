"""Train every shipped configuration: `make test-long`."""

import sys

import pytest
from conftest import ROOT

from vae_nb import load_config, train_and_save

sys.path.insert(0, str(ROOT / "tools"))
import train_variants


@pytest.mark.long
@pytest.mark.parametrize("name", train_variants.VARIANTS)
def test_a_shipped_configuration_does_not_collapse(name, tmp_path):
    run = train_and_save(load_config(*train_variants.VARIANTS[name]), tmp_path, progress=False)
    assert run.metrics["kl"] > 5
    assert run.metrics["active_units"] >= min(8, run.vae.latent_dim)
