"""Escritura atómica: o está entero el archivo nuevo o sigue el de antes."""

import os
import stat
import threading

import pytest

from gancook.files import write_atomic


def test_writes_the_whole_file_and_creates_its_folder(tmp_path):
    path = tmp_path / "nueva" / "archivo.bin"
    with write_atomic(path) as file:
        file.write(b"contenido")
        assert not path.exists()  # hasta el final no tiene nombre
    assert path.read_bytes() == b"contenido"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_halfway_keeps_the_previous_file_and_leaves_no_trace(error, tmp_path):
    path = tmp_path / "archivo"
    path.write_bytes(b"anterior")
    with pytest.raises(error), write_atomic(path) as file:
        file.write(b"a medias")
        raise error
    assert path.read_bytes() == b"anterior"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_to_rename_leaves_no_trace(tmp_path):
    (tmp_path / "carpeta").mkdir()
    with pytest.raises(OSError), write_atomic(tmp_path / "carpeta") as file:
        file.write(b"no cabe donde hay una carpeta")
    assert [p.name for p in tmp_path.iterdir()] == ["carpeta"]


@pytest.mark.skipif(os.name == "nt", reason="Windows no tiene umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(mask, tmp_path):
    previous = os.umask(mask)
    try:
        with write_atomic(tmp_path / "atómico") as file:
            file.write(b"x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "atómico").stat().st_mode) == 0o666 & ~mask


def test_two_writers_at_once_do_not_mix_their_bytes(tmp_path):
    path, together = tmp_path / "archivo", threading.Barrier(2)

    def write(letter):
        with write_atomic(path) as file:
            for _ in range(20):
                together.wait(timeout=10)
                file.write(letter * 1000)
                file.flush()

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in (b"a" * 20_000, b"b" * 20_000)
    assert list(tmp_path.iterdir()) == [path]
