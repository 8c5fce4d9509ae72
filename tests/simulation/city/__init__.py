"""What is simulated: a random city with its rules, its true values, and the messages of its devices."""
