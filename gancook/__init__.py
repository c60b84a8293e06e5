"""gancook: lo que los cuadernos comparten, una vez explicado en uno de ellos."""

import sys

from gancook.version import __version__

try:
    from gancook.session import (
        get_device,
        pick,
        profile,
        results_dir,
        seed_everything,
        setup,
        stamp,
    )
except ModuleNotFoundError as error:
    # Mientras «python -m gancook» importa el paquete, argv[0] es «-m»: allí basta una línea.
    if sys.argv[0] != "-m":
        raise
    sys.exit(
        f"gancook: falta {error.name}. Activa el entorno donde lo instalaste o, desde la carpeta "
        "del repositorio: pip install -r requirements.txt"
    )
