"""`flinkops exporter`: the fleet as Prometheus metrics."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.keeping import KeepDirOption, KeepOption, open_keeper
from flinkops.cli.options import Common, with_common

if TYPE_CHECKING:
    from collections.abc import Callable

    from flinkops.exporter.families import Options
    from flinkops.exporter.run import Listen
    from flinkops.exporter.server import Tls
    from flinkops.kept import Keeper


ListenOption = Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where to serve.")]
ShardOption = Annotated[str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N shares of the jobs.")]
VerticesOption = Annotated[bool, typer.Option("--vertices", help="Metrics of each vertex too.")]
TlsCertOption = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="PEM; serve HTTPS.")]
TlsKeyOption = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="PEM of its key.")]
TlsClientCaOption = Annotated[
    Path | None, typer.Option("--tls-client-ca", metavar="FILE", help="PEM; scrapers show a certificate of it.")
]
BasicAuthOption = Annotated[
    Path | None, typer.Option("--basic-auth-file", metavar="FILE", help="Lines user:password who may scrape.")
]


@with_common
def exporter(
    common: Common,
    listen: ListenOption = "127.0.0.1:9249",
    shard: ShardOption = "1/1",
    vertices: VerticesOption = False,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    basic_auth_file: BasicAuthOption = None,
    keep: KeepOption = None,
    keep_dir: KeepDirOption = None,
) -> None:
    r"""The fleet as Prometheus metrics, until SIGTERM: /metrics, /healthz.

    \b
    flinkops exporter                                     the embedded fleet, or your sources
    flinkops exporter --rest http://host:8081 --vertices  one cluster, its vertices too
    flinkops exporter --listen :9249 --tls-cert c.pem --tls-key k.pem --basic-auth-file users
    flinkops exporter --shard 1/4                         one of four that share the jobs
    flinkops exporter --keep 2h --keep-dir /kept          with the last hours on disk, for flinkops record --last

    Each scrape polls the fleet. Scrape with honor_labels: true, every 15 s or slower (docs/metrics.md).
    """
    from flinkops.allocator import give_back_memory
    from flinkops.exporter.families import Options
    from flinkops.exporter.run import Listen, parse_listen
    from flinkops.exporter.server import read_credentials
    from flinkops.exporter.shard import parse_shard

    give_back_memory()
    host, port = parse_listen(listen)
    credentials = read_credentials(basic_auth_file) if basic_auth_file else None
    where = Listen(host, port, _tls(tls_cert, tls_key, tls_client_ca), credentials)
    _serve(common, Options(parse_shard(shard), vertices), where, lambda: open_keeper(keep, keep_dir, common.say))


def _serve(common: Common, options: "Options", where: "Listen", keep: "Callable[[], Keeper | None]") -> None:
    from flinkops.cli.targets import open_observer, open_sources
    from flinkops.exporter.run import build, serve

    ours = options.shard.owns if options.shard.count > 1 else None
    observer = open_observer(common, open_sources(common.settings, ours), keep=keep)
    try:
        serve(build(observer.observe, options, where), where, common.say)
    finally:
        observer.close()


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> "Tls | None":
    from flinkops.errors import UsageError
    from flinkops.exporter.server import Tls

    if certificate and key:
        return Tls(certificate, key, client_ca)
    if certificate or key or client_ca:
        raise UsageError("TLS needs both --tls-cert and --tls-key")
    return None
