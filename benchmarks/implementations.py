"""The same training step in vae_nb, PyTorch and JAX.

Each class reads a problem's folder (see `problem.py`) and has `step(x, noise)`, which takes one
step and returns the loss, and `parameters()`, which yields a name and an array for each.
"""

import json
from pathlib import Path

import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOG_VARIANCE_BOUND = 30.0


class Problem:
    """What `problem.write_problem` wrote; arrays are read when they are asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        settings = json.loads((self.folder / "settings.json").read_text())
        self.activations = settings["layers"]  # name to activation, in the array's order
        self.learning_rate = settings["learning_rate"]
        self.kl_weight = settings["kl_weight"]

    def array(self, name):
        return np.load(self.folder / f"{name}.npy")

    def names(self, part):
        return [name for name in self.activations if name.startswith(part)]

    @property
    def decoder(self):
        return [*self.names("decoder_"), "output"]


class VaeNb:
    def __init__(self, problem):
        import vae_nb
        from vae_nb.config import config_from_dict

        layers = {"encoder_layers": problem.names("encoder_"), "decoder_layers": problem.decoder}
        model = {
            part: [
                {
                    "units": len(problem.array(f"{name}.biases")),
                    "activation": problem.activations[name],
                }
                for name in names
                if name != "output"
            ]
            for part, names in layers.items()
        }
        model["latent_dim"] = len(problem.array("mean.biases"))
        pixels = len(problem.array("mean_image"))
        side = round((pixels / 3) ** 0.5)
        self.vae = vae_nb.VAE(config_from_dict({"model": model}).model, (side, pixels // side, 1))
        self.vae.mean_image[:] = problem.array("mean_image")
        for name, parameter in self.vae.named_parameters().items():
            parameter[:] = problem.array(name)
        self.adam = vae_nb.Adam(self.vae.parameters, BETA1, BETA2, EPSILON)
        self.problem = problem

    def to_device(self, array):
        return array

    def step(self, x, noise):
        loss = self.vae.loss_and_gradients(x, noise, self.problem.kl_weight)
        self.adam.update(self.vae.gradient_blocks, self.problem.learning_rate)
        return loss.total

    def parameters(self):
        yield from self.vae.named_parameters().items()


class Torch:
    """Eager PyTorch with the fused Adam."""

    def __init__(self, problem):
        import torch

        activations = {"linear": lambda x: x, "relu": torch.relu, "cosh": torch.cosh}

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                layers = {}
                for name in problem.activations:
                    inputs, units = problem.array(f"{name}.weights").shape
                    layer = torch.nn.Linear(inputs, units)
                    with torch.no_grad():
                        layer.weight.copy_(torch.from_numpy(problem.array(f"{name}.weights")).T)
                        layer.bias.copy_(torch.from_numpy(problem.array(f"{name}.biases")))
                    layers[name] = layer
                self.layers = torch.nn.ModuleDict(layers)
                self.register_buffer("mean_image", torch.from_numpy(problem.array("mean_image")))

            def through(self, names, hidden):
                for name in names:
                    hidden = activations[problem.activations[name]](self.layers[name](hidden))
                return hidden

            def encode(self, x):
                hidden = self.through(problem.names("encoder_"), x - self.mean_image)
                log_variance = self.layers["log_variance"](hidden)
                log_variance = log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
                return self.layers["mean"](hidden), log_variance

            def forward(self, x, noise, kl_weight):
                mean, log_variance = self.encode(x)
                z = mean + torch.exp(0.5 * log_variance) * noise
                logits = self.through(problem.decoder, z)
                reconstruction = torch.nn.functional.binary_cross_entropy_with_logits(
                    logits, x, reduction="sum"
                )
                kl = 0.5 * torch.sum(torch.expm1(log_variance) - log_variance + mean**2)
                return reconstruction / len(x) + kl_weight * (kl / len(x))

        self.model = Model()
        self.loss = self.model
        self.to_device = torch.from_numpy
        self.problem = problem
        self.adam = torch.optim.Adam(
            self.model.parameters(),
            lr=problem.learning_rate,
            betas=(BETA1, BETA2),
            eps=EPSILON,
            fused=True,
        )

    def step(self, x, noise):
        self.adam.zero_grad(set_to_none=True)
        loss = self.loss(x, noise, self.problem.kl_weight)
        loss.backward()
        self.adam.step()
        return loss.item()

    def parameters(self):
        for name, layer in self.model.layers.items():
            yield f"{name}.weights", layer.weight.detach().numpy().T
            yield f"{name}.biases", layer.bias.detach().numpy()


class TorchCompile(Torch):
    """PyTorch with a compiled loss and gradient, and the fused Adam."""

    def __init__(self, problem):
        super().__init__(problem)
        import torch

        self.loss = torch.compile(self.model)


class Jax:
    """One compiled function for the whole step; parameters and moments are donated to it."""

    def __init__(self, problem):
        import jax
        import jax.numpy as jnp

        activations = {"linear": lambda x: x, "relu": jax.nn.relu, "cosh": jnp.cosh}
        self.to_device = jnp.asarray
        self.block_until_ready = jax.block_until_ready
        arrays = [
            f"{name}.{part}" for name in problem.activations for part in ("weights", "biases")
        ]
        self.state = {
            "parameters": {name: jnp.asarray(problem.array(name)) for name in arrays},
            "first": {name: jnp.zeros(problem.array(name).shape) for name in arrays},
            "second": {name: jnp.zeros(problem.array(name).shape) for name in arrays},
            "steps": jnp.zeros(()),
        }
        mean_image = jnp.asarray(problem.array("mean_image"))

        def through(parameters, names, hidden):
            for name in names:
                hidden = hidden @ parameters[f"{name}.weights"] + parameters[f"{name}.biases"]
                hidden = activations[problem.activations[name]](hidden)
            return hidden

        def loss(parameters, x, noise):
            hidden = through(parameters, problem.names("encoder_"), x - mean_image)
            mean = through(parameters, ["mean"], hidden)
            log_variance = through(parameters, ["log_variance"], hidden)
            log_variance = jnp.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
            z = mean + jnp.exp(0.5 * log_variance) * noise
            logits = through(parameters, problem.decoder, z)
            reconstruction = jnp.sum(jax.nn.softplus(logits) - x * logits)
            kl = 0.5 * jnp.sum(jnp.expm1(log_variance) - log_variance + mean**2)
            return (reconstruction + problem.kl_weight * kl) / len(x)

        def step(state, x, noise):
            value, gradients = jax.value_and_grad(loss)(state["parameters"], x, noise)
            steps = state["steps"] + 1
            first = jax.tree.map(
                lambda m, g: BETA1 * m + (1 - BETA1) * g, state["first"], gradients
            )
            second = jax.tree.map(
                lambda v, g: BETA2 * v + (1 - BETA2) * g * g, state["second"], gradients
            )
            first_correction = 1 / (1 - BETA1**steps)
            second_correction = 1 / (1 - BETA2**steps)
            parameters = jax.tree.map(
                lambda p, m, v: (
                    p
                    - problem.learning_rate
                    * (m * first_correction)
                    / (jnp.sqrt(v * second_correction) + EPSILON)
                ),
                state["parameters"],
                first,
                second,
            )
            state = {"parameters": parameters, "first": first, "second": second, "steps": steps}
            return state, value

        self.compiled = jax.jit(step, donate_argnums=0)

    def step(self, x, noise):
        self.state, loss = self.block_until_ready(self.compiled(self.state, x, noise))
        return float(loss)

    def parameters(self):
        for name, array in self.state["parameters"].items():
            yield name, np.asarray(array)


IMPLEMENTATIONS = {
    "vae_nb": VaeNb,
    "torch_fused": Torch,
    "torch_compile": TorchCompile,
    "jax_jit": Jax,
}
