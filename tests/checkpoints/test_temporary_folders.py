"""Temporary folders go with the process, however it ends."""

import subprocess
import sys

PROGRAM = """
import os
import sys

from official_yolact.files import storage

def fail():
    raise ValueError

# TensorFlow is not used yet, so that forks are safe.
for end, code in ((sys.exit, 0), (fail, 1), (lambda: storage.end_process(7), 7), (lambda: os._exit(9), 9)):
    child = os.fork()
    if not child:
        folders = [storage.make_temporary_folder() for _ in range(2)]
        os.makedirs(os.path.join(folders[0], "saved"))
        end()
        break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [name for name in os.listdir(os.environ["TMPDIR"]) if name.startswith("yolact-")]
    # The last one is killed.
    assert (status, len(left)) == (code, 2 if code == 9 else 0), (status, code, left)
"""


def test_temporary_folders_go_with_the_process(helper_environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={**helper_environment, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
