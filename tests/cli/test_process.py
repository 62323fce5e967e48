from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = """
import ctypes
from vivavoce.cli.process import prepare

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo2.restype = Info
prepare()
libc.free(libc.malloc(24 << 20))
before = libc.mallinfo2().hblks
libc.malloc(16 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps are meant")
def test_a_large_buffer_stays_out_of_the_heap_after_a_larger_one_was_freed() -> None:
    """By default glibc would take it from the heap, where it would leave a hole."""
    out = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, env=os.environ)
    assert out.stdout.strip() == "1"
