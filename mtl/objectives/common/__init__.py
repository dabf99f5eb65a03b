"""What several objectives share: gradients of each task, and small problems over tasks."""
