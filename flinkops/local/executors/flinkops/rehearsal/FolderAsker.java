package flinkops.rehearsal;

import flinkops.held.Parent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.BlockingQueue;

/** The process that has started this one: paths come by standard input, answers go to files. Ends with it. */
final class FolderAsker implements Asker {
    private static final String END = "end";

    private final Path folder;
    private final BlockingQueue<String> lines;

    FolderAsker(Path folder) {
        this.folder = folder;
        this.lines = Parent.follow(folder);
    }

    @Override
    public void ready() throws IOException {
        Files.writeString(folder.resolve("ready"), "");
    }

    @Override
    public String next() throws InterruptedException {
        String line = lines.take();
        return line.equals(END) ? null : line;
    }

    @Override
    public void said(int number, String verdict, boolean unread) throws IOException {
        write("verdict-" + number + ".json", verdict);
    }

    private void write(String file, String content) throws IOException {
        Path part = folder.resolve(file + ".part");
        Files.writeString(part, content);
        Files.move(part, folder.resolve(file), StandardCopyOption.ATOMIC_MOVE);
    }

    @Override
    public void phase(String phase) {
        // nobody asks
    }

    @Override
    public void graph(int number, String told) throws IOException {
        write("graph-" + number + ".json", told);
    }
}
