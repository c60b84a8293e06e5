"""Comprobaciones de lo que entra en las métricas, con mensajes que dicen qué hacer."""

import math
import warnings

import torch
from torch import Tensor

Shape = tuple[int, int, int]


def check_tensor(value: object) -> None:
    """Lanza ``TypeError`` si no es un tensor, sino una matriz de NumPy o una tupla."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"Se esperaba un tensor de torch y llega {type(value).__name__}. Una matriz de NumPy "
            "se convierte con torch.from_numpy; de una tupla, pasa solo las imágenes."
        )


def check_at_least(minimum: int, **values: int) -> None:
    """Lanza ``ValueError`` si alguno de los valores, dados por su nombre, no llega al mínimo."""
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name}={value}: debe ser {minimum} como mínimo.")


def check_images(images: Tensor, shape: Shape) -> None:
    """Lanza ``TypeError`` o ``ValueError`` si no son bytes (N, *shape)."""
    check_tensor(images)
    if images.dtype != torch.uint8:
        raise TypeError(
            f"Las métricas esperan imágenes uint8 (0 a 255) y reciben {images.dtype}. Conviértelas "
            "con gancook.data.images.to_uint8(imágenes, scale=…), con la escala de tu generador."
        )
    if images.ndim != 4 or tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"Se esperaban imágenes (N, {', '.join(map(str, shape))}) y llegan "
            f"{tuple(images.shape)}. {_advice(tuple(images.shape), shape)}"
        )


def _advice(found: tuple[int, ...], shape: Shape) -> str:
    channels, height, width = shape
    if found[1:] == (height, width, channels):
        return "El canal va delante: permute(0, 3, 1, 2)."
    if math.prod(shape) in (math.prod(found), math.prod(found[1:])):
        return f"Dales forma con reshape(-1, {channels}, {height}, {width})."
    if len(found) == 4 and found[1] == 1 and channels == 3:
        return "Repite el gris en los tres canales con expand(-1, 3, -1, -1)."
    if len(found) == 4 and found[1] == 3 and channels == 1:
        return "Pásalas a gris con torchvision.transforms.functional.rgb_to_grayscale."
    if len(found) == 4 and found[1] == channels:
        return (
            "Cambia todas de tamaño, reales y generadas, con torchvision.transforms.functional."
            f"resize(imágenes, [{height}, {width}], antialias=True), o usa otro extractor."
        )
    return "Ese extractor no vale para ellas: usa otro."


def check_finite(images: Tensor) -> None:
    """Lanza ``ValueError`` si hay NaN o infinitos."""
    if not images.isfinite().all():
        raise ValueError("El generador da NaN o infinitos: el entrenamiento ha divergido.")


def check_scale(images: Tensor, scale: tuple[float, float]) -> None:
    """Lanza ``ValueError`` si hay NaN o si los píxeles no parecen vivir en ``scale``.

    Mira qué proporción de los píxeles cae en cada parte del intervalo, para que unos pocos no
    decidan. Falla en dos casos:

    - más del 5 % se sale en más de medio intervalo, como las imágenes de [−1, 1] leídas en [0, 1];
    - los hay en el centro y en el extremo claro, pero menos del 2 % en el tercio oscuro, como los
      de [0, 1] leídos en [−1, 1], aunque una salida sin activación baje un poco de cero.

    Si casi todo es claro y el centro está vacío, avisa: puede ser la escala o imágenes así. No ve
    el error en imágenes de poco contraste, como las de una red sin entrenar, ni en las de [−1, 1]
    sin píxeles oscuros leídas en [0, 1].
    """
    check_finite(images)
    low, high = scale
    unit = (images - low) / (high - low)
    dark, middle = _share(unit < 0.35), _share((unit - 0.5).abs() <= 0.15)
    found = f"Los píxeles van de {images.min():.2f} a {images.max():.2f}"
    advice = "Con tanh, scale=(-1, 1); con sigmoide o datos en [0, 1], scale=(0, 1)."
    only_bright = dark < 0.02 and min(middle, _share(unit > 0.9)) > 0.01
    if only_bright or _share((unit - 0.5).abs() > 1) > 0.05:
        raise ValueError(
            f"{found} y no encajan en scale={scale}. {advice} Si tus imágenes son así, "
            "conviértelas con to_uint8 y mide los bytes."
        )
    if dark + middle < 0.02:
        warnings.warn(f"{found}: casi todos, claros en scale={scale}. {advice}", stacklevel=3)


def _share(mask: Tensor) -> float:
    return mask.float().mean().item()


def check_features(*features: Tensor, minimum: int) -> None:
    """Comprueba matrices (N, d) de coma flotante, finitas, con el mismo d y N ≥ ``minimum``."""
    for x in features:
        check_tensor(x)
        if x.ndim != 2 or x.shape[1] != features[0].shape[1]:
            shapes = " y ".join(str(tuple(y.shape)) for y in features)
            raise ValueError(f"Se esperaban matrices (N, d) con el mismo d, y son {shapes}.")
        if not x.is_floating_point():
            raise TypeError(f"Se esperaban características reales y son {x.dtype}: usa extract.")
        if not x.isfinite().all():
            raise ValueError("Hay NaN o infinitos en las características: revisa las imágenes.")
        if len(x) < minimum:
            raise ValueError(f"Hay {len(x)} muestras y hacen falta {minimum} como mínimo.")
