"""What all of these tests begin with."""

import signal

# A shell that starts them in the background has them, and all that they start, ignore the Ctrl-C which some are about.
signal.signal(signal.SIGINT, signal.default_int_handler)
