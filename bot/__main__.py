"""`python -m bot` is `kai`."""

from bot.entry import main

if __name__ == "__main__":
    main()
