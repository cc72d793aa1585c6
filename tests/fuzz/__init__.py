"""Seeded damage to what comes from outside: config.json, results.json, weights and images."""
