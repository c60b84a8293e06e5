"""Las figuras: rejillas, curvas, animaciones y campos del plano."""
