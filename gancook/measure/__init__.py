"""Las medidas: extractores, métricas, comprobaciones y distancias entre distribuciones."""
