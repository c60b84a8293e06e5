"""gancook: lo que los cuadernos comparten, una vez explicado en uno de ellos."""

from gancook.session import get_device, pick, profile, results_dir, seed_everything, setup, stamp

__all__ = [
    "__version__",
    "get_device",
    "pick",
    "profile",
    "results_dir",
    "seed_everything",
    "setup",
    "stamp",
]
