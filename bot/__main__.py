"""`python -m bot` is `kai`."""

from bot.cli import main

if __name__ == "__main__":
    main()
