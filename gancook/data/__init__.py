"""Los datos: conjuntos de imágenes, archivos, descarga, lotes y mezclas del plano."""
