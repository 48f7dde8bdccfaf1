"""``python -m isocortex``: the command line, also where its script is not on the path."""

from isocortex.cli import main

if __name__ == "__main__":
    main()
