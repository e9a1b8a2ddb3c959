"""How a new file takes the place of an old one: all of it or nothing, with the mode and the owner that the old one had.

A file is written beside the old one, under a hidden name, and renamed when it is on disk. The hidden file is locked while it
is written, so that one which a kill has left is told from one that another process writes, and cleared away.
"""

import itertools
import os
import stat
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # Windows, which does not remove a file that is open
    fcntl = None

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# The hidden name has so many characters of the file's own: a name has 255 bytes at most, and a character up to 4.
NAME_CHARACTERS = 50


def no_file(path):
    """What is at that path, in words, where it is something else than a file; else None. It is not opened."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    return None if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no file")


def place(path, who=""):
    """The path where a file is to be written, of a link the one that it points to.

    Parameters
    ----------
    path : str
    who : str
        What errors begin with.

    Raises
    ------
    OSError
        No file can be written there: there is no such folder, the path is that of a folder, a pipe or a device, or the
        file or folder is write-protected.
    """
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    what = no_file(path) or ("a folder" if path.endswith(os.sep) else None)
    if what == "a folder":
        raise IsADirectoryError(f"{who}{path!r} is a folder: name a file in it.")
    if what is not None:  # This is first, as the link of a pipe in /dev points to a folder that is not there.
        raise OSError(f"{who}{path!r} is {what}, and a file can't take its place: name a file.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{who}there is no folder {folder!r} to write {real!r} in.")
    for needed in (real, folder):
        if os.path.exists(needed) and not os.access(needed, os.W_OK):
            raise PermissionError(
                f"{who}{needed!r} is write-protected: name another file, or allow to write it (chmod)."
            )
    return real


@contextmanager
def replacing(path, previous=None):
    """A binary file to write to, which takes the place of the one at `path` if the context ends well.

    Parameters
    ----------
    path : str
        As `place` returns it.
    previous : str, default=None
        Where the file goes that was there.

    Raises
    ------
    OSError
        It can't be written; the old file is where it was.
    """
    new = not os.path.exists(path)
    file, temporary = _hidden(path, 0o666 if new else 0o600)
    moved = False
    try:
        yield file
        file.flush()
        if not new:
            _make_like(file.fileno(), path)
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()
        if previous is not None and os.path.exists(path):
            os.replace(path, previous)
            moved = True
        os.replace(temporary, path)
        moved, temporary = False, None
        _sync_folder(os.path.dirname(path))
    finally:
        try:
            if moved:
                os.replace(previous, path)
        finally:
            _end(file, temporary)


def _end(file, temporary):
    """Close a file, and remove it if it still has its hidden name."""
    if fcntl is None:
        file.close()
    if temporary is not None:  # This comes before the lock is given up with the file.
        with suppress(FileNotFoundError):
            os.remove(temporary)
    with suppress(OSError):  # Writing the rest fails as the first error did.
        file.close()


def _hidden(path, mode):
    """A new hidden file beside `path`, open and locked; and its name."""
    folder, name = os.path.split(path)
    for number in itertools.count():
        temporary = os.path.join(folder, f".{name[:NAME_CHARACTERS]}.fastsgd-{number}")
        _clear(temporary)
        try:
            file = open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
        except FileExistsError:  # Another process writes it.
            continue
        if _lock(file) is not False and _is_at(file, temporary):
            return file, temporary
        file.close()


def _clear(temporary):
    """Remove a hidden file that no process writes, if it is there."""
    if not os.path.lexists(temporary):
        return
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError), open(temporary, "rb", opener=lambda name, how: os.open(name, how | flags)) as file:
        if fcntl is None:
            file.close()
        if fcntl is None or (_lock(file) and _is_at(file, temporary)):
            os.remove(temporary)


def _lock(file):
    """Lock a file: True, False where another process has it, None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(file, path):
    """Whether the open file still has that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _make_like(descriptor, path):
    """Give a new file the owner, mode and further attributes of an old one, as far as this user may."""
    old = os.stat(path)
    mode = stat.S_IMODE(old.st_mode)
    if hasattr(os, "fchown"):
        for owner in ((-1, old.st_gid), (old.st_uid, -1)):
            with suppress(OSError):
                os.fchown(descriptor, *owner)
        if os.fstat(descriptor).st_gid != old.st_gid:  # Another group may do no more than all others.
            mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        with suppress(OSError):  # Until now it is this user's alone.
            os.fchmod(descriptor, mode)
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(path):
                with suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(path, name))


def _sync_folder(folder):
    """Have the new name on disk too, where folders can be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
