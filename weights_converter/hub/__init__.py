"""Hub folders: `model.safetensors`, `config.json` and a model card, for every framework at once."""
