"""What each subcommand does: finds inputs, calls the library, shows the result."""
