"""Builds the studio and launches it.

The page answers first; the base model and the hypernetwork load behind it.
"""

import argparse
import contextlib
import logging
import signal
import sys

from studio.jobs import JobError, Limits
from studio.service import Studio, StudioError
from studio.shelf import ShelfError
from studio.views import page
from studio.views.gpu import ZERO_GPU
from studio.views.visitor import OFF, Keeping, Training, open_jobs

log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description="Turn a skill into an adapter, and compare what the model answers.")
    parser.add_argument(
        "--base", help="base model: a name on the Hugging Face Hub or a folder (default: the shipped one)"
    )
    parser.add_argument(
        "--checkpoint", help="hypernetwork: a folder or user/name[@revision] (default: the one that ships)"
    )
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, help="port to listen on (default: GRADIO_SERVER_PORT or the next from 7860)"
    )
    arguments = parser.parse_args()

    # A Space or a service is ended by it; by itself it would leave gigabytes of adapters in the temporary folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    studio = Studio(arguments.base, arguments.checkpoint)
    jobs, training, why_not = None, None, ""
    try:
        if Limits.from_environment().enabled:
            training = Training.open()
            jobs = training.jobs
        else:  # what an earlier server left running is stopped
            why_not = OFF
            jobs = open_jobs()
        jobs.start()
    except JobError as error:  # the page says why, and the rest of it works
        why_not = why_not or str(error)
    keeping = None
    try:
        keeping = Keeping.open()
    except ShelfError as error:
        log.warning("visitors' own skills are not kept: %s", error)
    demo = page.build(studio, training, why_not, keeping)
    if ZERO_GPU:  # there, only what was loaded before the launch finds its way to the GPU
        studio.start()
        with contextlib.suppress(StudioError):  # the page says what went wrong
            studio.wait()
    try:
        options = page.launch_options()
        demo.launch(server_name=arguments.host, server_port=arguments.port, prevent_thread_lock=True, **options)
        if not ZERO_GPU:  # earlier, and its imports would hold up the page, which Gradio waits three seconds for
            studio.start()
        demo.block_thread()
    finally:
        if jobs:
            jobs.close()
        studio.close()


if __name__ == "__main__":
    main()
