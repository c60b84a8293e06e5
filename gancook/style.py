"""Estilo común de figuras y tablas: colores, nitidez y coma decimal."""

import locale
import math

import matplotlib.pyplot as plt
import pandas as pd
from cycler import cycler

# Okabe e Ito (2008): colores que distinguen también quienes no ven bien el rojo o el verde.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")


def use_style() -> None:
    """Figuras nítidas al ancho de GitHub, para daltónicos, y coma decimal en ejes y tablas."""
    # Las etiquetas de los ejes toman el separador de aquí; así no hace falta tener instalada la
    # configuración regional española ni se cambia la de nadie.
    locale._override_localeconv = {"decimal_point": ","}
    pd.options.display.float_format = number
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.formatter.use_locale": True,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.cmap": "gray",
            # Píxeles nítidos, y archivos tres veces más pequeños que suavizándolos.
            "image.interpolation": "nearest",
        }
    )


def number(value: float, digits: int = 4) -> str:
    """Un número con coma decimal y ``digits`` cifras significativas: 588,7; 0,0124; 12 346.

    Con más cifras, 588,699 se leería como medio millón.
    """
    if not math.isfinite(value):
        return str(value)
    whole = abs(value) >= 10**digits
    text = f"{value:,.0f}" if whole else f"{value:.{digits}g}"
    return text.replace(",", " ").replace(".", ",").replace("-", "−")
