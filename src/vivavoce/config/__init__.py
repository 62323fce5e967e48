"""One `vivavoce.toml`: found, merged over the packaged default, validated, reloaded while running."""
