"""What selects offer while somebody types: one module for each form."""
