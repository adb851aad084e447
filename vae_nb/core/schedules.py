"""What changes from step to step: the learning rate and the weight of the KL term."""

import math


def learning_rate_at(step, total_steps, training):
    """The learning rate of a step: a linear warm-up, then constant or a cosine to zero.

    Parameters
    ----------
    step : int
        Counted from 0.
    total_steps : int
    training : vae_nb.data.config.TrainingConfig
        `warmup_steps` counts for at most a tenth of all steps.

    Returns
    -------
    float

    References
    ----------
    Loshchilov & Hutter (2017), "SGDR", equation 5, without restarts.
    """
    warmup_steps = min(training.warmup_steps, total_steps // 10)
    if step < warmup_steps:
        return training.learning_rate * (step + 1) / warmup_steps
    if training.learning_rate_schedule == "constant":
        return training.learning_rate
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def kl_weight_at(step, total_steps, training):
    """The weight of the KL term at a step: it rises linearly from 0 and then stays.

    Parameters
    ----------
    step : int
        Counted from 0.
    total_steps : int
    training : vae_nb.data.config.TrainingConfig

    Returns
    -------
    float

    References
    ----------
    Bowman et al. (2016), "Generating Sentences from a Continuous Space", section 3.1.
    """
    warmup_steps = training.kl_warmup * total_steps
    return training.kl_weight * (min(1.0, step / warmup_steps) if warmup_steps else 1.0)
