"""What the city is and says of itself: its texts, the files of its page, its folder as it is applied."""
