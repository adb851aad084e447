"""Numbers in a notebook's output are compared with a tolerance, and words exactly."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from compare_numbers import Output


def same(reference, found, tolerance=0.01):
    text = Output(reference)
    text.tolerance = tolerance
    assert (text == found) is not (text != found)
    return text == found


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("loss 103.2 nats", "loss 103.9 nats"),
        ("loss  9.98 nats", "loss 10.02 nats"),  # padded to the same width
        (" 9.98\n10.20 |", "10.02\n10.19 |"),
        ("9.98   x", "10.02  x"),
        ("0.3", "0.4"),  # one in the last decimal: 0.349 and 0.351
        ("-0.00", "0.01"),
        ("error 3e-12", "error 8e-11"),
        ("[1. 2.]", "[1.001 2.   ]"),
        ("1,234,567 steps", "1,240,000 steps"),
        ("0.00010", "9.96e-05"),
        ("−1.50", "-1.51"),
        ("01-10: 0.500", "01-10: 0.503"),
    ],
)
def test_numbers_that_are_close_are_equal(reference, found):
    assert same(reference, found)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("loss 103.2 nats", "loss 105.3 nats"),
        ("loss 103.2 nats", "gain 103.2 nats"),
        ("7 active units", "8 active units"),
        ("0.500", "0.512"),
        ("1.0", "-1.0"),
        ("1 2", "12"),
        ("1 2", "1 2 3"),
        ("nan", "0"),
        ("0.5", "nan"),
        ("True", "False"),
        ("float32", "float33"),
        ("1f600.png", "1f601.png"),
        ("z1 z2", "z1 z3"),
        ("[1. 2.]", "[1. 3.]"),
        ("a\nb", "a b"),
    ],
)
def test_other_numbers_and_other_words_differ(reference, found):
    assert not same(reference, found)


def test_a_tolerance_widens_what_is_equal():
    assert not same("excess 103", "excess 110")
    assert same("excess 103", "excess 110", tolerance=0.1)
    assert not same("excess 103", "gap 110", tolerance=0.1)


@pytest.mark.slow(10)
@pytest.mark.notebook
def test_nbval_uses_it(tmp_path):
    """The kernel prints "nats 50.0" each time; what is committed is something else."""
    committed = [
        ("nats 50.0", {}, True),
        ("nats  50.3", {}, True),
        ("nats 51.0", {}, False),
        ("bits 50.0", {}, False),
        ("nats 51.0", {"tolerance": 0.1}, True),
    ]
    cells = []
    for text, metadata, _ in committed:
        cell = nbformat.v4.new_code_cell("print('nats 50.0')", metadata=metadata)
        cell.execution_count = 1
        cell.outputs = [nbformat.v4.new_output("stream", text=f"{text}\n")]
        cells.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "numbers.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "compare_numbers", "--nbval", "-rA"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, "numbers.ipynb"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    for number, (text, _, is_equal) in enumerate(committed):
        outcome = "PASSED" if is_equal else "FAILED"
        assert f"{outcome} numbers.ipynb::Cell {number}" in result.stdout, text
