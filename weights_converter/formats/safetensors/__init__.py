"""Files and sets of safetensors."""
