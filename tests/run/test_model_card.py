"""A model card holds what the model's configuration and metrics say."""

import dataclasses
import os
import re

import pytest
from conftest import tiny_config

import vae_nb
from vae_nb.run.model_card import UNKNOWN, export_card

HEADINGS = ["Model details", "Intended use", "Training data", "Evaluation", "Limitations"]
HEADINGS += ["How to load"]


def card_of(run, folder, **changes):
    """Write the card of a run with some changes, and return its text."""
    return export_card(dataclasses.replace(run, **changes), folder / "card.md").read_text("utf-8")


def test_a_card_has_the_usual_headings(tiny_run, tmp_path):
    card = card_of(tiny_run, tmp_path)
    assert re.findall("^## (.*)", card, re.MULTILINE) == HEADINGS
    assert "$" not in card
    assert "8×8 pixels, gray" in card
    assert "**Encoder:** 6 tanh; then the mean and the log-variance of 2 latent dimensions" in card
    assert "8 for the training, and 2 held out" in card


def numbered(metrics, numbers):
    """Return metrics with another number at each place."""
    return {
        key: numbered(value, numbers) if isinstance(value, dict) else next(numbers)
        for key, value in metrics.items()
    }


def test_every_measure_is_that_of_the_metrics(tiny_run, tmp_path):
    others = ("resumed_at", "images", "blas")  # these are no measures of the model
    measures = {key: value for key, value in tiny_run.metrics.items() if key not in others}
    metrics = numbered(measures, iter(range(101, 200)))
    card = card_of(tiny_run, tmp_path, metrics=metrics)
    shown = {round(float(number)) for number in re.findall(r"\d+(?:\.\d+)?", card)}
    assert set(range(101, 101 + len(leaves(metrics)))) <= shown
    assert len(leaves(metrics)) > 20


def leaves(metrics):
    """Return the numbers in metrics."""
    parts = [leaves(one) if isinstance(one, dict) else [one] for one in metrics.values()]
    return [number for part in parts for number in part]


@pytest.mark.parametrize("metrics", [{}, {"kl": None, "train": 3, "samples": {"swd": "<b>"}}])
def test_a_measure_that_is_missing_is_a_dash(tiny_run, tmp_path, metrics):
    card = card_of(tiny_run, tmp_path, metrics=metrics)
    assert f"| KL divergence, nats per image | {UNKNOWN} | |" in card
    row = [UNKNOWN, UNKNOWN, UNKNOWN, ", ".join([UNKNOWN] * 3)]
    assert f"| the prior | {' | '.join(row)} |" in card
    assert "<b>" not in card


def test_the_authors_of_the_drawings_are_named(tiny_run, tmp_path):
    folders = {"data.input_dir": ["input/emojis", "input/styles/openmoji"]}
    card = card_of(tiny_run, tmp_path, config=vae_nb.load_config(overrides=folders))
    assert "**Folders:** `input/emojis`, `input/styles/openmoji`." in card
    assert "> Pictures are drawn from the font Noto Color Emoji (version " in card
    assert "CC BY-SA 4.0" in card


@pytest.mark.parametrize("name", ["my `pictures`", "<script>", "a\nb"])
def test_a_folder_is_text_and_tells_nothing_of_the_machine(tiny_run, tmp_path, name):
    config = tiny_config(tmp_path / "home" / name)
    card = card_of(tiny_run, tmp_path, config=config)
    shown = {"my `pictures`": "`` my `pictures` ``", "<script>": "`<script>`", "a\nb": r"`a\nb`"}
    assert f"**Folders:** {shown[name]}." in card
    assert str(tmp_path) not in card
    assert "Whose they are is not known here." in card


def test_the_code_loads_the_model(tiny_run, output, tmp_path):
    card = card_of(tiny_run, tmp_path)
    (code,) = re.findall("```python\n(.*?)```", card, re.DOTALL)
    values = {}
    exec(code.replace('"output/', f'"{output}{os.sep}'), values)
    assert values["decoded"].shape == (10, 8, 8, 1)
