"""Where the time of a training step goes, beside what the machine can do."""

import tempfile
import time

import numpy as np
from matplotlib.figure import Figure

from benchmarks.implementations import Problem, VaeNb
from benchmarks.problem import count_work, write_step
from benchmarks.training_step import LEARNING_RATE, SETTLING_STEPS, STEPS
from vae_nb.core.blocks import worker_threads

# Okabe & Ito (2008), told apart by colour-blind readers too.
LOOKS = {
    "vae_nb": ("#D55E00", "o", "vae_nb (NumPy)"),
    "jax_jit": ("#0072B2", "s", "JAX jit"),
    "torch_fused": ("#009E73", "^", "PyTorch, fused Adam"),
    "torch_compile": ("#CC79A7", "v", "PyTorch, compiled"),
}
PHASES = (("forward", "#56B4E9"), ("backward", "#009E73"), ("update", "#E69F00"))
FLOORS = (("memory", "#BBBBBB"), ("arithmetic", "#666666"))


def measure_phases(batch):
    """Median seconds of each phase of vae_nb's step.

    Parameters
    ----------
    batch : int

    Returns
    -------
    dict
        "forward" (with the loss), "backward", "update" (which computes the weights' gradient).
    """
    with tempfile.TemporaryDirectory() as folder:
        write_step(folder, batch)
        problem = Problem(folder)
        ours, x, noise = VaeNb(problem), problem.array("x"), problem.array("noise")[0]
    seconds = []
    with worker_threads():
        for _ in range(SETTLING_STEPS + STEPS):
            times = [time.perf_counter()]
            for phase in (
                lambda: ours.vae.loss(x, noise),
                lambda: ours.vae.loss_and_gradients(x, noise),
                lambda: ours.adam.update(ours.vae.gradient_blocks, LEARNING_RATE),
            ):
                phase()
                times.append(time.perf_counter())
            seconds.append(np.diff(times))
    forward, both, update = np.median(seconds[SETTLING_STEPS:], axis=0).tolist()
    return {"forward": forward, "backward": max(0.0, both - forward), "update": update}


def draw(machine, rows, phases, vae):
    """The two panels: attained rates under the machine's roof, and phases beside floors.

    Parameters
    ----------
    machine : dict
        With "bandwidth_gb_s" and "gemm_gflop_s".
    rows : list of dict
        Of `training_step.run`.
    phases : dict of int to dict
        For each batch size, what `measure_phases` found.
    vae : vae_nb.VAE
        Of the seed architecture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(12, 5), dpi=100, layout="constrained")
    roof, bars = figure.subplots(1, 2)
    work = {batch: count_work(vae, batch) for batch in phases}

    bandwidth, gemm_rate = machine["bandwidth_gb_s"], machine["gemm_gflop_s"]
    intensities = [operations / moved for moved, operations in work.values()]
    x = np.geomspace(min(intensities) / 2, max(intensities) * 2, 200)
    roof.plot(x, np.minimum(bandwidth * x, gemm_rate), color="black", linewidth=2)
    for place, text, offset, side in (
        ((x[-1], gemm_rate), f"matrix products: {gemm_rate:.0f} GFLOP/s", (0, 6), "right"),
        ((1.0, bandwidth), f"memory: {bandwidth:.0f} GB/s", (-10, 4), "right"),
    ):
        style = {"textcoords": "offset points", "ha": side, "fontsize": 11}
        roof.annotate(text, place, offset, **style)
    for name, (colour, marker, label) in LOOKS.items():
        mine = [row for row in rows if row["implementation"] == name]
        if mine:
            points = [
                (
                    work[row["batch"]][1] / work[row["batch"]][0],
                    work[row["batch"]][1] / row["median_ms"] / 1e6,
                )
                for row in mine
            ]
            size = 10 if name == "vae_nb" else 8
            style = {"color": colour, "markersize": size, "linestyle": ":", "alpha": 0.9}
            roof.plot(*zip(*points, strict=True), marker=marker, label=label, **style)
    roof.set(xscale="log", yscale="log", ylim=(None, 2 * gemm_rate))
    roof.set_xlabel("floating-point operations per byte that must move", fontsize=11)
    roof.set_ylabel("attained GFLOP/s", fontsize=11)
    roof.set_title("A training step under the machine's roof", fontsize=13)
    ticks = roof.secondary_xaxis("top")
    ticks.set_xticks(intensities, [f"batch {batch}" for batch in work], fontsize=10)
    ticks.minorticks_off()
    roof.legend(fontsize=10, frameon=False, loc="lower right")

    positions = np.arange(len(phases))
    for offset, parts in ((-0.2, PHASES), (0.2, FLOORS)):
        bottom = np.zeros(len(phases))
        for part, colour in parts:
            if parts is PHASES:
                heights = 1e3 * np.array([phases[batch][part] for batch in phases])
            elif part == "memory":
                heights = np.array([moved / bandwidth / 1e6 for moved, _ in work.values()])
            else:
                heights = np.array([count / gemm_rate / 1e6 for _, count in work.values()])
            label = part if parts is PHASES else f"floor: {part}"
            bars.bar(positions + offset, heights, 0.36, bottom, color=colour, label=label)
            bottom += heights
    bars.set_xticks(positions, [f"batch {batch}" for batch in phases], fontsize=11)
    bars.set_ylabel("milliseconds", fontsize=11)
    bars.set_title("Where vae_nb's step goes, and the machine's floor", fontsize=13)
    bars.legend(fontsize=10, frameon=False, loc="upper left")
    for axes in (roof, bars):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
