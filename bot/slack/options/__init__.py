"""Options of selects while a person types: one module for each form."""
