"""Commands of `kai`, each imported only when it is asked for: `kai --help` must not wait for a YAML parser."""
