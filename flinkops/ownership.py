"""Who else may have written a file, or can read it: as git asks before it goes by a repository's settings.

What lies in the working folder or above it may be another person's. It counts only when nobody but this user and root
could have put it there.
"""

import getpass
import grp
import os
import pwd
import stat
from pathlib import Path

_ROOT = 0


def doubt_about(path: Path) -> str | None:
    """Why a file or folder is not this user's own, in a few words after its name; None when it is.

    A symbolic link counts by its own owner and by what it leads to. The folder that holds it, and those above, have to
    keep others from putting another one in its place. Raises OSError when it cannot be looked at.
    """
    if not _is_owner(path.lstat().st_uid):
        return f"is owned by {_user_name(path.lstat().st_uid)}"
    real = _real(path)
    found = real.stat()
    if (doubt := _doubt_about_mode(found)) is not None:
        return f"is {doubt}" if real == path.absolute() else f"leads to {real}, which is {doubt}"
    for holder in {path.absolute().parent, real.parent}:
        folder = holder.stat()
        if not folder.st_mode & stat.S_ISVTX and (doubt := _doubt_about_mode(folder)) is not None:
            return f"is in {holder}, which is {doubt}"
        for above in holder.parents:
            mode = above.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return f"is below {above}, which is writable by everybody"
    return None


def make_private(folder: Path) -> None:
    """Make a folder that only its user can enter, and those above it that are missing too. Raises OSError.

    Path.mkdir gives its mode to the last folder alone: those above it would be open to everybody.
    """
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def open_to(folder: Path) -> str | None:
    """Who else can list or enter a folder, in a few words; None when only its user can. Raises OSError.

    A folder above that lets nobody else pass protects it, whatever its own mode is.
    """
    real = _real(folder)
    found = real.stat()
    if not _is_owner(found.st_uid):
        return _user_name(found.st_uid)
    above = [each.stat() for each in real.parents]
    if found.st_mode & (stat.S_IROTH | stat.S_IXOTH) and all(each.st_mode & stat.S_IXOTH for each in above):
        return "everybody on this machine"
    if found.st_mode & (stat.S_IRGRP | stat.S_IXGRP) and not _is_own_group(found.st_gid):
        passes = (each.st_mode & stat.S_IXOTH or _lets_group_pass(each, found.st_gid) for each in above)
        if all(passes):
            return f"the group {_group_name(found.st_gid)}"
    return None


def _lets_group_pass(folder: os.stat_result, gid: int) -> bool:
    return folder.st_gid == gid and bool(folder.st_mode & stat.S_IXGRP)


def current_user() -> str:
    """Who acts: the name of the user, or the number where a container has none for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _doubt_about_mode(found: os.stat_result) -> str | None:
    if not _is_owner(found.st_uid):
        return f"owned by {_user_name(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "writable by everybody"
    if found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid):
        return f"writable by the group {_group_name(found.st_gid)}"
    return None


def _is_owner(uid: int) -> bool:
    return uid in (os.geteuid(), _ROOT, _behind_sudo())


def _behind_sudo() -> int:
    """The user who became root by sudo; root where nobody did."""
    text = os.environ.get("SUDO_UID", "")
    return int(text) if os.geteuid() == _ROOT and text.isdecimal() and len(text) < 12 else _ROOT


def _is_own_group(gid: int) -> bool:
    """The group that has this user's name and is this user's first, as most systems make it; or root's."""
    if gid == _ROOT:
        return True
    for uid in {os.geteuid(), _behind_sudo()}:
        try:
            user = pwd.getpwuid(uid)
            if user.pw_gid == gid and grp.getgrgid(gid).gr_name == user.pw_name:
                return True
        except KeyError:
            continue
    return False


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"


def _real(path: Path) -> Path:
    """Without links. Raises OSError, also for links in a circle, where Path.resolve raises RuntimeError."""
    return Path(os.path.realpath(path, strict=True))
