"""The packaged network, see MODEL_CARD.md: `mtl predict` and `--init_from=pretrained` use it."""
