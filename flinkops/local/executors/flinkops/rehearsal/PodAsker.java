package flinkops.rehearsal;

import java.io.FileDescriptor;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;

/**
 * In a pod nobody is at the other end. What to restore is in the file of FLINKOPS_REHEARSAL_STATES, a line each, and
 * verdicts are lines of the log. {@code newest FOLDER} is the newest checkpoint of a job's folder, which is looked up
 * right before it is restored, and up to three times where its files are gone meanwhile; {@code path PATH} is just that.
 */
final class PodAsker implements Asker {
    static final String VARIABLE = "FLINKOPS_REHEARSAL_STATES";
    private static final String MARK = "flinkops-rehearsal ";
    private static final int TRIES = 3;
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private final List<String> states;
    private final Set<String> tried = new HashSet<>();
    private int place;
    private boolean again = true;

    PodAsker() throws IOException {
        states = Files.readAllLines(Path.of(System.getenv(VARIABLE)));
    }

    static boolean here() {
        return System.getenv(VARIABLE) != null;
    }

    /** A line that nothing else of the output can be taken for: the program prints there too. */
    static void print(String what) {
        synchronized (OUT) {
            OUT.print("\n" + MARK + what + "\n");
            OUT.flush();
        }
    }

    @Override
    public void ready() {
        print("ready");
    }

    @Override
    public String next() throws IOException {
        if (!again) {
            return null;
        }
        while (place < states.size()) {
            String[] state = states.get(place).split(" ", 2);
            if (state[0].equals("path")) {
                place++;
                return state[1];
            }
            String found = tried.size() < TRIES ? newest(state[1]) : null;
            if (found != null && tried.add(found)) {
                return found;
            }
            place++;
        }
        return null;
    }

    private static String newest(String folder) throws IOException {
        org.apache.flink.core.fs.Path place = new org.apache.flink.core.fs.Path(folder);
        FileSystem files = place.getFileSystem();
        org.apache.flink.core.fs.Path newest = null;
        long highest = -1;
        FileStatus[] all = files.listStatus(place);
        for (FileStatus one : all == null ? new FileStatus[0] : all) {
            String name = one.getPath().getName();
            if (name.matches("chk-[0-9]{1,18}") && Long.parseLong(name.substring(4)) > highest) {
                org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(place, name);
                if (files.exists(new org.apache.flink.core.fs.Path(path, "_metadata"))) {
                    highest = Long.parseLong(name.substring(4));
                    newest = path;
                }
            }
        }
        if (newest == null) {
            throw new FileNotFoundException("no checkpoint is in " + folder);
        }
        return newest.toString();
    }

    @Override
    public void said(int number, String verdict, boolean unread) {
        print("verdict " + verdict);
        again = unread;
    }

    @Override
    public void phase(String phase) {
        print("phase " + phase);
    }

    @Override
    public void graph(int number, String told) {
        print("graph " + told);
    }
}
