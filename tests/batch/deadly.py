"""A worker that dies of some recordings, as it would where memory ends or a library has a fault."""

import os
import signal

from lid.batch.worker import Worker

DEADLY = b"deadly"  # in the names of the recordings


class MortalWorker(Worker):
    def _identify(self, group):
        if any(DEADLY in read.path for read in group if read.recording):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._identify(group)
