"""Settings files that are found rather than named: whose they are, and what they may say."""

import grp
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flinkops.config.load import load_settings
from flinkops.config.settings import Settings
from flinkops.errors import Refused, UsageError
from flinkops.local.state import default_home
from flinkops.ownership import doubt_about
from tests.unit.command_line import Cli

STRANGER = 54321


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a project that the user works in."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = tmp_path / "repository"
    (folder / "deep").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep")
    return folder / "flinkops.toml"


def load(**environ: str) -> Settings:
    return load_settings({}, environ=environ)


def as_stat(monkeypatch: pytest.MonkeyPatch, **changed: Callable[[Path], int | None]) -> None:
    """What the system says of every file, with these fields as another owner would have them."""
    for name in ("stat", "lstat"):
        real = getattr(Path, name)

        def pretend(
            self: Path, *args: object, _real: Callable[..., os.stat_result] = real, **options: object
        ) -> object:
            found = _real(self, *args, **options)
            values = list(found)
            for field, value in changed.items():
                index = {"mode": 0, "uid": 4, "gid": 5}[field]
                if (new := value(self)) is not None:
                    values[index] = new
            return os.stat_result(values)

        monkeypatch.setattr(Path, name, pretend)


def test_one_s_own_file_counts(project: Path) -> None:
    project.write_text('interval = "3s"')
    assert load().interval_seconds == 3.0


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o646, "is writable by everybody"), (0o644, None), (0o600, None), (0o640, None), (0o444, None)],
)
def test_a_file_that_everybody_may_write_is_refused(project: Path, mode: int, words: str | None) -> None:
    project.write_text('interval = "3s"')
    project.chmod(mode)
    if words is None:
        assert load().interval_seconds == 3.0
        return
    with pytest.raises(Refused, match=words):
        load()
    assert load(FLINKOPS_CONFIG=str(project)).interval_seconds == 3.0  # named on purpose


def test_a_file_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text('interval = "3s"')
    as_stat(monkeypatch, uid=lambda path: STRANGER if path == project else None)
    with pytest.raises(Refused, match=f"owned by uid {STRANGER}"):
        load()


def test_a_group_counts_only_if_it_is_the_user_s_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text('interval = "3s"')
    me = pwd.struct_passwd(("me", "x", 1000, 1000, "", "/home/me", "/bin/sh"))
    groups = {1000: "me", 100: "users", 0: "root", 27: "me"}
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: me)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((groups[gid], "x", gid, [])))
    for gid, refused in ((1000, False), (0, False), (100, True), (27, True)):
        with monkeypatch.context() as patch:
            as_stat(
                patch,
                mode=lambda path: 0o100664 if path == project else None,
                gid=lambda path, gid=gid: gid if path == project else None,  # type: ignore[misc]
            )
            doubt = doubt_about(project)
        assert doubt == (f"is writable by the group {groups[gid]}" if refused else None)


def test_the_user_behind_sudo_is_the_user(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    as_stat(monkeypatch, uid=lambda path: STRANGER if project.parent in (path, path.parent) else None)
    assert "owned by" in (doubt_about(project) or "")
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    assert doubt_about(project) is None
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "owned by" in (doubt_about(project) or "")  # only root is somebody behind it


def test_folders_that_others_may_write_are_refused_unless_they_are_sticky(project: Path, tmp_path: Path) -> None:
    project.write_text("")
    project.parent.chmod(0o777)
    with pytest.raises(Refused, match=r"in .*repository, which is writable by everybody"):
        load()
    project.parent.chmod(0o1777)
    load()
    project.parent.chmod(0o755)
    tmp_path.chmod(0o777)
    with pytest.raises(Refused, match=r"is below .* writable by everybody"):
        load()
    tmp_path.chmod(0o700)
    load()


def test_a_symbolic_link_counts_by_itself_and_by_its_target(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "shared" / "settings.toml"
    target.parent.mkdir()
    target.write_text('interval = "3s"')
    project.symlink_to(target)
    assert load().interval_seconds == 3.0
    target.chmod(0o666)
    with pytest.raises(Refused, match=r"leads to .*settings\.toml, which is writable by everybody"):
        load()
    target.chmod(0o600)
    target.parent.chmod(0o777)
    with pytest.raises(Refused, match="shared, which is writable by everybody"):
        load()
    target.parent.chmod(0o700)
    real = Path.lstat

    def foreign_link(self: Path) -> os.stat_result:
        values = list(real(self))
        values[4] = STRANGER if self == project else values[4]
        return os.stat_result(values)

    monkeypatch.setattr(Path, "lstat", foreign_link)
    with pytest.raises(Refused, match=f"owned by uid {STRANGER}"):
        load()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('kubeconfig = "/tmp/evil"', "kubeconfig"),
        ('[[sources]]\ncontext = "x"\nkubeconfig = "/tmp/evil"', "sources.1.kubeconfig"),
        ('[[sources]]\nrest = "http://x:1"\nheaders = { A = "file:~/.aws/credentials" }', "sources.1.headers"),
        ('[[sources]]\nrest = "http://x:1"\nusername = "u"\npassword = "env:AWS_SECRET"', "sources.1.password"),
        ('[[sources]]\nrest = "https://x:1"\nclient_key = "/home/me/key.pem"', "sources.1.client_key"),
        ('[[sources]]\nrest = "https://x:1"\nclient_cert = "/home/me/key.pem"', "sources.1.client_cert"),
        ('[[sources]]\nrest = "https://x:1"\nverify = false', "sources.1.verify"),
        ('[[sources]]\nrest = "https://x:1"\nca_file = "evil.pem"', "sources.1.ca_file"),
    ],
)
def test_what_reaches_for_files_and_log_ins_counts_only_in_a_trusted_file(
    project: Path, cli: Cli, text: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    project.write_text(text)
    found = cli("status", "--once")
    assert found.code == 5
    assert f'is not trusted, and sets "{key}"' in found.err
    assert "flinkops config trust" in found.err
    assert load(FLINKOPS_CONFIG=str(project)).origins  # named on purpose

    assert cli("config", "view", "-o", "json").code == 0  # to read it before
    assert cli("config", "trust").code == 0
    load()
    project.write_text(text + "\n# and more")
    with pytest.raises(Refused, match="was changed since it was trusted"):
        load()
    assert cli("config", "trust", str(project)).code == 0
    load()
    copy = project.parent / "deep" / "flinkops.toml"
    copy.write_bytes(project.read_bytes())
    monkeypatch.chdir(copy.parent)
    with pytest.raises(Refused, match="is not trusted"):
        load()  # the same content at another place is another file
    copy.unlink()
    assert cli("config", "trust", "--remove", str(project)).code == 0
    with pytest.raises(Refused, match="is not trusted"):
        load()


def test_the_user_s_own_file_needs_no_trust_even_when_one_works_beside_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project.parent / "flinkops.toml"
    monkeypatch.setattr("flinkops.config.load.user_file", lambda: own)
    own.write_text('kubeconfig = "/x"')
    assert load().kubeconfigs == ("/x",)


def test_a_file_of_others_cannot_be_trusted(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)
    project.write_text('kubeconfig = "/x"')
    project.chmod(0o666)
    assert cli("config", "trust", str(project)).code == 5
    project.chmod(0o600)
    assert cli("config", "trust", str(project)).code == 0
    store = Path(os.environ["XDG_STATE_HOME"]) / "flinkops" / "trusted.json"
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    store.write_text("rubbish")
    with pytest.raises(Refused, match="is not trusted"):
        load()


def test_a_project_makes_a_run_more_careful_and_never_less(project: Path) -> None:
    user = Path(os.environ["XDG_CONFIG_HOME"]) / "flinkops" / "flinkops.toml"
    user.parent.mkdir(parents=True)
    user.write_text('production = ["prod"]\nread_only = true')
    project.write_text('production = ["other"]\nread_only = false')
    settings = load()
    assert (settings.production, settings.read_only) == (("prod", "other"), True)
    assert settings.origins["read_only"] == f"user file {user}"
    user.write_text("")
    project.write_text('production = ["other"]\nread_only = true')
    settings = load()
    assert (settings.production, settings.read_only) == (("other",), True)
    assert load(FLINKOPS_READ_ONLY="false").read_only is False  # the user's own word


@pytest.mark.parametrize("content", [b"x" * (2 << 20), b"a = " + b"[" * 50_000, b"\xff"])
def test_settings_that_cannot_be_read_are_one_line(project: Path, content: bytes) -> None:
    project.write_bytes(content)
    with pytest.raises(UsageError):
        load()


def test_a_working_folder_that_is_gone_has_no_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = project.parent / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load().interval_seconds == 10.0
    monkeypatch.delenv("FLINKOPS_LOCAL_HOME", raising=False)
    assert default_home().name == "fleet"
    os.chdir("/")


def test_an_embedded_fleet_of_others_is_passed_over(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLINKOPS_LOCAL_HOME", raising=False)
    home = project.parent / ".flinkops"
    home.mkdir()
    assert default_home() == home
    home.chmod(0o777)
    assert default_home() != home


def test_links_lead_to_pages_and_nowhere_else(project: Path) -> None:
    for template in ("javascript:alert(1)", "; rm -rf ~", "file:///etc/passwd", "https://x/\\u001b]52;c;x"):
        project.write_text(f'[links]\nlogs = "{template}"')
        with pytest.raises(UsageError, match="begins with https"):
            load()


@pytest.mark.skipif(sys.platform == "win32", reason="no owners")
def test_a_kubeconfig_of_a_foreign_project_starts_no_program(
    project: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "it ran"
    kubeconfig = project.parent / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never,"
        f" command: touch, args: ['{witness}']}}}}}}]\n"
    )
    project.write_text(f'kubeconfig = "{kubeconfig}"')
    monkeypatch.chdir(project.parent)
    for command in (("status", "--once"), ("doctor",), ("upgrade", "x", "--savepoint", "-p", "2", "--yes")):
        assert cli(*command).code == 5
    assert not witness.exists()
    assert cli("status", "--once", "--config", str(project)).code == 3
    assert witness.exists()
