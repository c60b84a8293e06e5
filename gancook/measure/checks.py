"""Comprobaciones de lo que entra en las métricas, con mensajes que dicen qué hacer."""

import torch
from torch import Tensor


def check_images(images: Tensor, shape: tuple[int, int, int]) -> None:
    """Lanza ``TypeError`` o ``ValueError`` si no son bytes (N, *shape)."""
    if images.dtype != torch.uint8:
        raise TypeError(
            f"Las métricas esperan imágenes uint8 (0 a 255) y reciben {images.dtype}. Conviértelas "
            "con gancook.data.images.to_uint8(imágenes, scale=…), con la escala de tu generador."
        )
    if images.ndim != 4 or tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"Se esperaban imágenes (N, {', '.join(map(str, shape))}) y llegan "
            f"{tuple(images.shape)}. Añade el canal con unsqueeze(1) o cambia de extractor."
        )


def check_finite(images: Tensor) -> None:
    """Lanza ``ValueError`` si hay NaN o infinitos."""
    if not images.isfinite().all():
        raise ValueError("El generador da NaN o infinitos: el entrenamiento ha divergido.")


def check_scale(images: Tensor, scale: tuple[float, float]) -> None:
    """Lanza ``ValueError`` si hay NaN o si los píxeles no parecen vivir en ``scale``.

    Falla si más de la cuarta parte se sale (con un 10 % de margen) o si nadie baja del centro del
    intervalo: los síntomas de confundir [0, 1] con [−1, 1].
    """
    low, high = scale
    unit = (images - low) / (high - low)
    check_finite(images)
    outside = ((unit < -0.1) | (unit > 1.1)).float().mean().item()
    if outside > 0.25 or unit.min() >= 0.5:
        raise ValueError(
            f"Los píxeles van de {images.min():.2f} a {images.max():.2f} y no encajan en "
            f"scale={scale}. Con tanh, scale=(-1, 1); con sigmoide o datos en [0, 1], scale=(0, 1)."
        )


def check_features(*features: Tensor, minimum: int) -> None:
    """Comprueba matrices (N, d) de coma flotante, finitas, con el mismo d y N ≥ ``minimum``."""
    for x in features:
        if x.ndim != 2 or x.shape[1] != features[0].shape[1]:
            shapes = " y ".join(str(tuple(y.shape)) for y in features)
            raise ValueError(f"Se esperaban matrices (N, d) con el mismo d, y son {shapes}.")
        if not x.is_floating_point():
            raise TypeError(f"Se esperaban características reales y son {x.dtype}: usa extract.")
        if not x.isfinite().all():
            raise ValueError("Hay NaN o infinitos en las características: revisa las imágenes.")
        if len(x) < minimum:
            raise ValueError(f"Hay {len(x)} muestras y hacen falta {minimum} como mínimo.")
