"""The run that comes with the package: for `mtl predict` without --model_dir, and --init_from=pretrained. See MODEL_CARD.md."""
