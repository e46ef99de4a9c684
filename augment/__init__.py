"""molaug: data augmentation for atomistic machine learning."""
