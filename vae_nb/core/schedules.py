"""What changes from step to step: the learning rate and the weight of the KL term."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vae_nb.data.config import TrainingConfig


def learning_rate_at(step: int, total_steps: int, training_config: TrainingConfig) -> float:
    """Return the learning rate of a step: a linear warm-up, then constant or a cosine to zero.

    Parameters
    ----------
    step : int
        Counted from 0.
    training_config : TrainingConfig
        The warm-up takes `warmup_steps`, but at most a tenth of all steps.

    References
    ----------
    Loshchilov & Hutter (2017), "SGDR", equation 5, without restarts.
    """
    peak = training_config.learning_rate
    warmup_steps = min(training_config.warmup_steps, total_steps // 10)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if training_config.learning_rate_schedule == "constant":
        return peak
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def kl_weight_at(step: int, total_steps: int, training_config: TrainingConfig) -> float:
    """Return the weight of the KL term at a step: it rises linearly from 0 and then stays.

    Parameters
    ----------
    step : int
        Counted from 0.
    training_config : TrainingConfig
        `kl_warmup` is the share of all steps in which the weight rises.

    References
    ----------
    Bowman et al. (2016), "Generating Sentences from a Continuous Space", section 3.1.
    """
    warmup_steps = training_config.kl_warmup * total_steps
    if step >= warmup_steps:
        return training_config.kl_weight
    return training_config.kl_weight * (step / warmup_steps)
