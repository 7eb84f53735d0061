"""Where a hypernetwork comes from: generated tasks, training, evaluation."""
