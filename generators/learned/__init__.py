"""What the learned generators share: their optional dependencies, schedules of training, and checkpoints."""
