"""Labels: calculators, levels of theory, relaxation."""
