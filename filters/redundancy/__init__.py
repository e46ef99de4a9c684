"""Whether a molecule, a geometry or an environment is known already."""
