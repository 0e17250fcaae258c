"""The offline half: a Hugging Face encoder and annotated rows in, a bundle out."""
