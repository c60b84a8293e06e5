"""El entrenamiento: bucle, pasos, pérdidas, penalizaciones, historial, ganchos y copias."""
