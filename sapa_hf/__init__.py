"""SAPA feature upsampling for transformers."""
