package flinkops.price;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.core.fs.Path;

/**
 * Fetches small files of an object store while the one before them is read: of an archive of thousands of objects most
 * of the time would go into waiting for answers. The enumerator says in a split which files follow it, in the place
 * that Flink keeps for the hosts of a block, which object stores do not have.
 */
final class ReadAhead {
    /** Files that may wait in memory, and how large each may be. */
    static final int FILES = 8;

    static final long MAX_BYTES = 2 << 20;

    private static final int THREADS = 4;
    private static final int IDLE_SECONDS = 10;

    private final Map<String, CompletableFuture<byte[]>> fetched = new HashMap<>();
    private final ThreadPoolExecutor threads =
            new ThreadPoolExecutor(
                    THREADS,
                    THREADS,
                    IDLE_SECONDS,
                    TimeUnit.SECONDS,
                    new LinkedBlockingQueue<>(),
                    work -> {
                        Thread thread = new Thread(work, "read-ahead");
                        thread.setDaemon(true);
                        return thread;
                    });

    ReadAhead() {
        threads.allowCoreThreadTimeOut(true);
    }

    /** The whole file, when it was fetched; null: it is to be read by a stream. Begins to fetch what follows it. */
    byte[] contentOf(FileSourceSplit split) throws IOException {
        CompletableFuture<byte[]> content = fetched.remove(split.path().toString());
        fetched.keySet().retainAll(Arrays.asList(split.hostnames()));
        for (String next : split.hostnames()) {
            fetched.computeIfAbsent(next, path -> CompletableFuture.supplyAsync(() -> fetch(path), threads));
        }
        try {
            return content == null ? null : content.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while " + split.path() + " was fetched", e);
        } catch (ExecutionException e) {
            return null; // reading it by a stream says what is wrong
        }
    }

    private static byte[] fetch(String place) {
        Path path = new Path(place);
        try (InputStream input = path.getFileSystem().open(path)) {
            return input.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
