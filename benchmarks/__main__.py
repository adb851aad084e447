"""Run all measurements: `make bench`, about half an hour on two cores.

Writes benchmarks/results.json for programs, benchmarks/results.md for people, and
benchmarks/roofline.png.
"""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import vae_nb
from benchmarks import costs, explorer, growth, roofline, time_to_quality, training_step
from benchmarks.problem import seed_config

BATCHES = (2, 16, 128)
FOLDER = Path(__file__).parent
TEXT = """\
# Measurements

Made by `make bench`. Medians of one run, implementations in turns; a ratio is vae_nb's median over
the other's, so that less than 1 means that vae_nb is faster, with the quartiles of the rounds' own
ratios in brackets. The *floor* is the bytes that a step cannot avoid to move over the measured
bandwidth, plus its floating-point operations over the measured rate of matrix products. Peak MB is
of a process of its own, with Python and its libraries. Every implementation was first seen to
compute the same losses and the same parameters for ten steps. The step has no limit on the
gradient's norm, the whole training has the default one.

## One training step of the seed architecture

{step}
## One training step of the convolutional model

The model of `configs/convolutional.json`, which trains with batches of 16.

{convolutional}
## The same on other machines

{elsewhere}
## Time to quality: a whole training

The defaults of the schema, with a KL weight of 4. Compiling counts. The held-out loss is at KL
weight 1.

{quality}
## Growth

{growth}
## Beside the training

{costs}
## The explorer's page

Decoded in headless Chromium, by the page's own JavaScript.

{explorer}"""


def as_markdown(results):
    """Write the tables for people.

    Parameters
    ----------
    results : dict
        The contents of results.json.

    Returns
    -------
    str
    """

    def printed_by(print_table, *arguments):
        with redirect_stdout(StringIO()) as text:
            print_table(*arguments)
        return text.getvalue()

    return TEXT.format(
        step=printed_by(training_step.print_table, results["machine"], results["rows"]),
        convolutional=printed_by(
            training_step.print_table,
            results["convolutional"]["machine"],
            results["convolutional"]["rows"],
        ),
        elsewhere="\n".join(
            printed_by(training_step.print_table, other["machine"], other["rows"])
            for other in results["elsewhere"]
        ),
        quality=printed_by(time_to_quality.print_table, results["time_to_quality"]),
        growth=printed_by(growth.print_table, results["growth"]),
        costs=printed_by(costs.print_table, results["costs"]),
        explorer=printed_by(explorer.print_table, results["explorer"]),
    )


def main():
    """Measure everything, and write the results."""
    earlier = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
    results = training_step.run(BATCHES)
    # Put there by hand: the output of `python -m benchmarks.training_step --json` on a machine.
    results["elsewhere"] = earlier["elsewhere"]
    results["convolutional"] = training_step.run(BATCHES, "convolutional")
    results["phases"] = {batch: roofline.measure_phases(batch) for batch in BATCHES}
    results["costs"] = costs.run()
    results["explorer"] = explorer.run()
    results["time_to_quality"] = time_to_quality.run()
    results["growth"] = growth.run()
    config = seed_config()
    vae = vae_nb.VAE(config.model, config.data.image_shape)
    figure = roofline.draw(results["machine"], results["rows"], results["phases"], vae)
    figure.savefig(FOLDER / "roofline.png")
    text = json.dumps(results, indent=1)
    (FOLDER / "results.json").write_text(text + "\n", encoding="utf-8")
    markdown = as_markdown(results)
    (FOLDER / "results.md").write_text(markdown, encoding="utf-8")
    print(markdown)


if __name__ == "__main__":
    main()
