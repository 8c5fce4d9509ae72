"""What reads Durable Streams as others do, and a server of streams that can be written, for their tests."""
