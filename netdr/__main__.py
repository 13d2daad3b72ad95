"""``python -m netdr``: the command line of the checkout it is run from."""

from netdr.cli import main

if __name__ == "__main__":
    main()
