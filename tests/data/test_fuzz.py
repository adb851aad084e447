"""Damaged and hostile files are loaded correctly or refused in one sentence, and cost little.

No file may take long or need much memory.
"""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, tiny_config
from fuzzing import HANG_SECONDS, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from test_config import legal_values

from vae_nb.core.training import TrainingState
from vae_nb.data.config import Config, load_config
from vae_nb.run.model_files import save_checkpoint
from vae_nb.run.trained_run import train_and_save
from vae_nb.system.errors import ConfigError

COUNTS = [200, pytest.param(2000, marks=pytest.mark.long)]


def fuzz(kind, count, source, capsys):
    seed = 0 if count == COUNTS[0] else random.SystemRandom().randrange(2**32)  # make test-long
    process = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "fuzzing.py"), kind, str(seed), str(count), source],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    *_, last_case, last = ["", *process.stdout.splitlines()]
    at = f"seed {seed}; {last_case}; {last}; ended with {process.returncode}\n{process.stderr}"
    assert process.returncode == 0, at
    report = json.loads(last)
    with capsys.disabled():
        print(f"\n{kind}, seed {seed}: {report}")
    assert report["megabytes"] < 1000, at
    return report


@pytest.mark.slow(10)
@pytest.mark.parametrize("count", COUNTS)
def test_damaged_images(count, capsys):
    """`count` files of each format and each way of writing it."""
    report = fuzz("pictures", count, "", capsys)
    assert 0 < report["loaded"] < report["cases"]


@pytest.mark.slow(3)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_damaged_models(kind, count, pictures, output, capsys):
    run = train_and_save(tiny_config(pictures), output, progress=False)
    source = output / "models" / "vae.npz"
    if kind == "checkpoint":
        source = output / "checkpoint.npz"
        arrays = {"parameters": run.vae.parameters, "sums": np.zeros(3), **run.history.columns}
        arrays["moments"] = np.zeros((2, run.vae.parameters.size), np.float32)
        stream = np.random.default_rng(0).bit_generator.state
        position = {"step": 6, "batches": stream, "noise": stream, "seconds": 1.0}
        position |= {"best_epoch": None, "best_total": None}
        save_checkpoint(source, TrainingState(arrays, position), run.config, "abc")
    report = fuzz(kind, count, str(source), capsys)
    assert report["loaded"] < report["cases"] / 2


originals = [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.json"))]
texts = st.sampled_from(originals) | legal_values.map(lambda values: json.dumps(values).encode())


@pytest.mark.slow(3)
@given(texts, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=max(200, settings().max_examples))
def test_damaged_configurations(tmp_path_factory, content, rng, times):
    for _ in range(times):
        content = damaged(content, rng) or b"{"
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(content)
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a hang ends the tests
    signal.alarm(HANG_SECONDS)
    try:
        sentences, legal = [], isinstance(load_config(path), Config)
    except ConfigError as error:
        sentences, legal = error.errors, False
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert legal or sentences
    assert all(len(sentence.splitlines()) == 1 for sentence in sentences)
