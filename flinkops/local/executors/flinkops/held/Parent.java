package flinkops.held;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Who started this client holds its standard input open; when that ends without a word, it has died. */
public final class Parent {
    private Parent() {}

    /** The next line that it writes. Ends this process, and removes the folder, when there will be none. */
    public static String line(Path folder) {
        try {
            InputStream input = System.in;
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
            for (int one = input.read(); one >= 0; one = input.read()) {
                if (one == '\n') {
                    return bytes.toString(StandardCharsets.UTF_8);
                }
                bytes.write(one);
            }
        } catch (IOException gone) {
            // as its end
        }
        remove(folder.toFile());
        Runtime.getRuntime().halt(1);
        throw new IllegalStateException("halted");
    }

    /** Ends this process with its parent. What it writes meanwhile, line by line, is in the queue. */
    public static BlockingQueue<String> follow(Path folder) {
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Runnable reading = () -> {
            while (true) {
                lines.add(line(folder));
            }
        };
        Thread thread = new Thread(reading, "parent");
        thread.setDaemon(true);
        thread.start();
        return lines;
    }

    private static void remove(File file) {
        File[] inside = java.nio.file.Files.isSymbolicLink(file.toPath()) ? null : file.listFiles();
        if (inside != null) {
            for (File one : inside) {
                remove(one);
            }
        }
        file.delete();
    }
}
