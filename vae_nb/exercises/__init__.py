from vae_nb.exercises.checker import Verdict, check

__all__ = ["Verdict", "check"]
