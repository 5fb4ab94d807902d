"""Facts that several rules need about a complaint: its peers, its look-ups, its nodes, its owner."""
