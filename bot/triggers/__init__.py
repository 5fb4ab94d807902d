"""What a person means by the words he typed, or an alert by the words it carries: text in, a request out. All pure."""
