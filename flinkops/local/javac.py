"""Java sources to a jar with Eclipse's compiler: a Java runtime suffices, no JDK is needed."""

import hashlib
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from flinkops.errors import OperationFailed
from flinkops.local.jars import ensure
from flinkops.local.java import SHORT_LIVED, clean_environment, find_java

# -source/-target, not --release: that one needs the ct.sym of a JDK.
_OPTIONS = ("-source", "17", "-target", "17", "-encoding", "UTF-8", "-proc:none", "-nowarn", "-g")
# The oldest time that a zip entry can carry: equal sources give equal bytes.
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_MANIFEST = "META-INF/MANIFEST.MF"


def compile_jar(sources: Path | Sequence[Path], target: Path, classpath: Sequence[Path]) -> Path:
    """Compile every `.java` below `sources` (one folder or several) into the jar `target`; other files go in as is.

    Deterministic; does nothing when neither the sources nor the classpath changed since `target` was
    written. Raises OperationFailed with the first error of the compiler.
    """
    (compiler,) = ensure(["compiler"])
    folders = [sources] if isinstance(sources, Path) else list(sources)
    stamp = target.with_suffix(".sha256")
    digest = _digest(folders, [compiler, *classpath])
    if target.is_file() and stamp.is_file() and stamp.read_text() == digest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".javac-") as scratch:
        classes = Path(scratch) / "classes"
        _compile(compiler, folders, classes, classpath)
        part = Path(scratch) / target.name
        _write_jar(part, {**_files(*folders, without=".java"), **_files(classes)})
        part.replace(target)
    stamp.write_text(digest)
    return target


def _files(*folders: Path, without: str = "\0") -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != without
    }


def _digest(sources: Sequence[Path], classpath: Sequence[Path]) -> str:
    digest = hashlib.sha256(" ".join(_OPTIONS).encode())
    for name, path in _files(*sources).items():
        content = path.read_bytes()
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    for jar in classpath:
        digest.update(f"\n{jar.name} {jar.stat().st_size}".encode())
    return digest.hexdigest()


def _compile(compiler: Path, sources: Sequence[Path], classes: Path, classpath: Sequence[Path]) -> None:
    java_files = sorted(str(path) for folder in sources for path in folder.rglob("*.java"))
    named = " and ".join(str(folder) for folder in sources)
    if not java_files:
        raise OperationFailed(f"no Java sources in {named}")
    joined = ":".join(str(jar) for jar in classpath)
    command = [str(find_java()), *SHORT_LIVED, "-jar", str(compiler), *_OPTIONS, "-d", str(classes)]
    if joined:
        command += ["-classpath", joined]
    result = subprocess.run(
        [*command, *java_files], capture_output=True, text=True, check=False, env=clean_environment()
    )
    if result.returncode != 0:
        raise OperationFailed(f"compiling {named} failed: {_first_error(result.stdout + result.stderr)}")


def _first_error(output: str) -> str:
    """The compiler's first complaint: its place, the line and the message, up to the ruler that ends it."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and set(line.strip()) != {"-"}]
    start = next((index for index, line in enumerate(lines) if "ERROR in" in line), 0)
    return " ".join(line for line in lines[start : start + 4] if set(line) != {"^"}) or "no message"


def _write_jar(target: Path, files: dict[str, Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as jar:
        manifest = files.pop(_MANIFEST, None)
        content = manifest.read_bytes() if manifest else b"Manifest-Version: 1.0\r\n\r\n"
        jar.writestr(_entry(_MANIFEST), content)
        for name, path in sorted(files.items()):
            jar.writestr(_entry(name), path.read_bytes())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
