"""`python -m training`: the commands, with memory kept for those that train."""

import sys

from training.memory import keep_freed_memory

TRAINING = ("fit", "probe", "refit", "refit-bench", "refine")

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in TRAINING:  # what measures long texts would keep ten gigabytes of them
        keep_freed_memory()

    from training.commands import main  # after it: what is imported before would be imported twice

    sys.exit(main())
