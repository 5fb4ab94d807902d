"""The world in a box: recorded incidents, for the demo, the tests and the bench."""
