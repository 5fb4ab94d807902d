"""What several rules ask about a complaint: its peers, its look-ups, its nodes, its owner."""
