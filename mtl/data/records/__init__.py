"""Records: TFRecord shards with a manifest, and their reader."""
