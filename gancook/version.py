"""La versión del paquete."""

__version__ = "0.2.0"
