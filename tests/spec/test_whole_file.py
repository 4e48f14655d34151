"""Files are whole or not there: no room, an interrupt in the middle, a folder that is none."""

import resource

import pytest

from makalu.spec.whole_file import OutputError, whole_file, writable_folder, write_whole

OLD = "what was there"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_text(OLD)
    return tmp_path / "file"


def assert_as_before(path):
    assert path.read_text() == OLD and list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced_and_folders_are_made(path, tmp_path):
    write_whole(path, "new \udcff")
    assert path.read_bytes() == b"new \\udcff"
    write_whole(tmp_path / "a" / "b" / "c", b"\xff")
    assert (tmp_path / "a/b/c").read_bytes() == b"\xff" and list((tmp_path / "a/b").iterdir()) == [tmp_path / "a/b/c"]


def test_a_file_has_the_mode_of_any_other(path, tmp_path):
    (tmp_path / "other").touch()
    write_whole(path, "new")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupt_leaves_what_was_there(path, kind):
    with pytest.raises(kind), whole_file(path) as file:
        file.write(b"half")
        raise kind
    assert_as_before(path)


def test_a_disk_without_room_leaves_what_was_there(path):
    """A limit on the size of files stands for the disk: the system refuses the write in the same place."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=f"{path} cannot be written: File too large"):
            write_whole(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_as_before(path)


@pytest.mark.parametrize(
    ("below", "reason"),
    [("file/x", "Not a directory|File exists"), ("n" * 300, "File name too long"), ("folder", "Is a directory")],
)
def test_a_place_that_is_none_is_named(path, tmp_path, below, reason):
    if below == "folder":
        (tmp_path / below).mkdir()
    with pytest.raises(OutputError, match=rf"cannot be written: ({reason})"):
        write_whole(tmp_path / below, "x")
    assert path.read_text() == OLD and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("below", ["file", "file/x", "n" * 300, "broken"])
def test_a_folder_that_cannot_be_is_named(path, tmp_path, below):
    (tmp_path / "broken").symlink_to("/proc/none/x")
    with pytest.raises(OutputError, match="output must go to a folder that can be written to, not .*: "):
        writable_folder(tmp_path / below)
    writable_folder(tmp_path / "new" / "folder")
    assert not list((tmp_path / "new" / "folder").iterdir())
