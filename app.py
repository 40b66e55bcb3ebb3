"""The Space: loads the model, builds the page and launches it on port 7860.

    python app.py

Environment: MODEL_ID, a folder or Hub id to use in place of the embedded model (only a Hub id is ever downloaded);
LID_MAX_SECONDS, how long recordings may be; LID_DEVICE=cuda to answer on a GPU, in PyTorch, in place of the CPU;
GRADIO_SERVER_NAME=0.0.0.0 to be reached from other machines (Spaces sets it); GRADIO_SERVER_PORT for another port;
FORWARDED_ALLOW_IPS, the proxies in front of it, whose word on a visitor's address is believed (127.0.0.1 by default).
"""

import os
import sys
import tempfile

# Gradio and its MCP server read this as they are imported. A folder of our own, because old files in it are deleted.
os.environ.setdefault("GRADIO_TEMP_DIR", os.path.join(tempfile.gettempdir(), "lid-uploads"))

if os.environ.get("SPACE_ID"):  # the Hub's proxy says where a visitor comes from; uvicorn reads whom to believe
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16")

try:
    import spaces  # lends a GPU to marked functions on ZeroGPU, does nothing elsewhere; must come before torch
except ImportError:
    spaces = None

from lid import InputError, LanguageIdentifier, audio, runtime
from lid.ui import build, serve
from lid.ui.settings import limits

GPU_SECONDS = 60  # ZeroGPU: the longest one call may hold the GPU; an hour of speech takes less


def main() -> None:
    os.umask(0o077)  # recordings are for this process alone
    runtime.spare_memory()
    audio.prepare(2)  # while the model is loaded
    device = os.environ.get("LID_DEVICE") or ("cuda" if spaces else "cpu")
    try:
        allowed = limits()
        identifier = LanguageIdentifier.load(os.environ.get("MODEL_ID"), device)
        page = build(identifier, spaces.GPU(duration=GPU_SECONDS) if spaces else lambda function: function, allowed)
    except InputError as error:
        sys.exit(str(error))
    serve(page, allowed, int(os.environ.get("GRADIO_SERVER_PORT", 7860)))


if __name__ == "__main__":
    main()
