"""Estilo común de figuras y tablas: colores, nitidez y coma decimal."""

import locale
import math

import matplotlib.pyplot as plt
import pandas as pd
from cycler import cycler

# Okabe e Ito (2008): colores que distinguen también quienes no ven bien el rojo o el verde.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPANISH = str.maketrans({",": "\u00a0", ".": ",", "-": "−"})  # el espacio no parte el número


def use_style() -> None:
    """Figuras nítidas al ancho de GitHub, para daltónicos, y coma decimal en ejes y tablas."""
    # Los ejes toman el separador de la configuración regional. La vía pública, setlocale, pide
    # tener instalada la española y cambia la de todo el proceso; este atributo interno existe en
    # todas las versiones de Python, y una prueba avisa si un día deja de servir.
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
    """Un número con coma decimal y ``digits`` cifras significativas, sin ceros de relleno.

    Con más cifras, 588,699 se leería como medio millón. La parte entera se escribe completa (588,7;
    12 346) y lo muy pequeño o muy grande, con una potencia de diez (1,5·10⁻⁷).
    """
    if not math.isfinite(value):
        return str(value)
    mantissa, exponent = f"{value + 0.0:.{digits - 1}e}".split("e")  # + 0.0: sin «−0»
    power = int(exponent)  # el de después de redondear: 9999,9 ya es 10 000
    if not -5 < power < 10:
        text = f"{float(mantissa):g}·10{str(power).translate(_SUPERSCRIPTS)}"
    elif power >= digits:
        text = f"{value:,.0f}"
    else:
        text = f"{value + 0.0:.{digits}g}"
    return text.translate(_SPANISH)
