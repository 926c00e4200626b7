# ruff: noqa: TID252 - the package has another name when installed: flinkops_jobs
"""`python -m jobs.price_alerts.dispatcher`: delivers alerts until SIGTERM."""

import asyncio
import gc
import logging
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flinkops.errors import ExitCode, FlinkopsError, OperationFailed, UsageError

from .addresses import Guard
from .kafka_log import KafkaLog
from .log_limit import LogLimit
from .measures import Measures, serve
from .options import Options, parse
from .parent import when_orphaned
from .sending import Sender
from .service import Dispatcher
from .sources import FileSource, TopicSource
from .store import Store

if TYPE_CHECKING:
    from aiohttp.web import AppRunner

log = logging.getLogger("dispatcher")

_LOOKUPS = 64  # names are resolved in threads: one receiver's slow name servers must not delay the others
_SWITCH_SECONDS = 0.0005  # the reading thread must not wait 5 ms for the loop's


async def deliver(options: Options) -> None:
    """Run the dispatcher with these options until SIGTERM or SIGINT. Raises FlinkopsError."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup"))
    source = _source(options)
    subscriptions = await source.first()
    store = Store(options.state, window_seconds=options.window_seconds)
    measures = Measures()
    sender = Sender(Guard(options.allowed), timeout_seconds=options.timeout_seconds, tls=_tls(options))
    dispatcher = Dispatcher(_log(options), store, sender, measures, options.limits)
    try:
        await dispatcher.subscribe(subscriptions)
        runner = await _listen(options, measures, dispatcher)
    except FlinkopsError:
        store.close()
        await sender.close()
        raise
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, dispatcher.stop)
    beside = [_beside(dispatcher, source.follow(dispatcher.subscribe))]
    if options.with_parent:
        beside.append(_beside(dispatcher, when_orphaned(dispatcher.stop)))
    gc.collect()
    gc.freeze()  # what is there by now stays: later collections need not visit it
    log.info("delivering to %d clients; metrics on %s:%d", len(subscriptions), options.listen_host, options.listen_port)
    try:
        await dispatcher.run()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await runner.cleanup()


async def _listen(options: Options, measures: Measures, dispatcher: Dispatcher) -> "AppRunner":
    try:
        return await serve(measures, options.listen_host, options.listen_port, lambda: dispatcher.healthy)
    except (OSError, ValueError) as error:  # ValueError: a host that is no name
        raise OperationFailed(f"cannot listen on {options.listen_host}:{options.listen_port}: {error}") from None


def _beside(dispatcher: Dispatcher, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task beside the deliveries; should it fail, the dispatcher fails with it instead of running on without it."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            dispatcher.fail(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


def _source(options: Options) -> FileSource | TopicSource:
    if options.subscriptions_file is not None:
        return FileSource(options.subscriptions_file, allow_http=options.allow_http)
    assert options.subscriptions_topic is not None
    return TopicSource(options.kafka, options.subscriptions_topic, allow_http=options.allow_http)


def _log(options: Options) -> KafkaLog:
    return KafkaLog(
        options.kafka,
        topic=options.topic,
        dead_letter_topic=options.dead_letter_topic,
        group=options.group,
        shard=options.shard,
        shards=options.shards,
    )


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"cannot use --ca-file {options.ca_file}: {error}") from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop's, on which a request costs half the CPU; where it does not exist (Windows) asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(arguments: Sequence[str]) -> int:
    """The command; its exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(50_000, 20, 50)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(deliver(parse(arguments)))
    except FlinkopsError as error:
        print(f"price-alerts dispatcher: {error.line()}", file=sys.stderr)
        return int(error.exit_code)
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
