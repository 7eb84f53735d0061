"""`python -m training`: the commands, with memory kept for them."""

import sys

from training.memory import keep_freed_memory

if __name__ == "__main__":
    keep_freed_memory()

    from training.commands import main  # after it: what is imported before would be imported twice

    sys.exit(main())
