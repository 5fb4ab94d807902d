"""What each verb of `kai` does, imported only when it is asked for: `kai --help` must not wait for a YAML parser."""
