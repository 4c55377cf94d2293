"""What the attentions of a checkpoint see in images: which images, what is measured, the page."""
