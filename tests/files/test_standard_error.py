"""What native code writes to descriptor 2 is heard, and what was not meant for it goes on."""

import os
import subprocess
import sys

import pytest

from official_yolact.files import standard_error


def test_what_is_written_to_the_descriptor_is_heard_and_goes_nowhere_else(capfd):
    with standard_error.hear() as listen:
        os.write(2, "größer\n".encode())
        assert listen() == "größer\n"
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_lines_of_information_are_left_out_and_others_come_at_the_end_also_after_an_error(capfd):
    @standard_error.without_information()
    def fail():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to X\n")
        os.write(2, b"I0000 00:00:1.2  7 devices.cc:67] Number of GPUs: 0\nE0000 out of memory\nIt ends")
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert capfd.readouterr().err == "E0000 out of memory\nIt ends"


def test_a_process_without_standard_error_goes_on():
    code = "import os; os.close(2); from official_yolact.files import standard_error as s\nwith s.hear() as l: os.write(2, b'a'); print(l())\nwith s.without_information(): os.write(2, b'b')"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "a\n"
