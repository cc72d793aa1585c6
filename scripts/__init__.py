"""Thin command lines; the logic lives in sapa_hf."""
