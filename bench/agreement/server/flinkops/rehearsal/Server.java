package flinkops.rehearsal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.apache.flink.client.cli.CliFrontend;
import org.apache.flink.client.cli.CustomCommandLine;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.eclipse.jdt.core.compiler.batch.BatchCompiler;

/**
 * Compiles, rehearses and submits one program after the other in one process: what a client costs is nearly all in its
 * start. A request is a line of standard input, its fields are separated by tabs: what, a folder for the answer, words.
 * The file {@code done} in the folder ends it; it holds the failure, if there was one.
 */
public final class Server {
    /** Ends a program's main once it was rehearsed. */
    static final class Done extends Error {
        private static final long serialVersionUID = 1L;
    }

    /** The request for one rehearsal. */
    static final class Rehearsed implements Asker {
        final Path folder;
        private String path;

        Rehearsed(Path folder, String path) {
            this.folder = folder;
            this.path = path;
        }

        @Override
        public void ready() {
            // nobody waits
        }

        @Override
        public String next() {
            String next = path;
            path = null;
            return next;
        }

        @Override
        public void said(int number, String verdict, boolean unread) throws IOException {
            write(folder, "verdict.json", verdict);
        }

        @Override
        public void phase(String phase) {
            // nobody asks
        }

        @Override
        public void graph(int number, String told) {
            // the first is rehearsed
        }
    }

    private static final class Client extends CliFrontend {
        Client(Configuration configuration, List<CustomCommandLine> lines) {
            super(configuration, lines);
        }

        void go(String[] arguments) throws Exception {
            run(arguments);
        }
    }

    static volatile Rehearsed asker;

    private Server() {}

    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] fields = line.split("\t", -1);
            Path folder = Path.of(fields[1]);
            String failure = "";
            try {
                answer(fields[0], folder, Arrays.copyOfRange(fields, 2, fields.length));
            } catch (Done done) {
                // as it should
            } catch (Throwable problem) {
                problem.printStackTrace();
                failure = Causes.root(problem);
            }
            if (Files.isDirectory(folder)) { // else nobody waits any more
                write(folder, "done", failure);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static void answer(String what, Path folder, String[] words) throws Exception {
        switch (what) {
            case "compile" -> compile(Path.of(words[0]), Path.of(words[1]), words[2], folder.resolve("classes"));
            case "rehearse" -> {
                asker = new Rehearsed(folder, words[0]);
                client(Arrays.copyOfRange(words, 1, words.length));
            }
            case "submit" -> client(words);
            default -> throw new IllegalArgumentException(what);
        }
    }

    private static void client(String[] arguments) throws Exception {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try {
            String conf = CliFrontend.getConfigurationDirectoryFromEnv();
            Configuration configuration = GlobalConfiguration.loadConfiguration(conf);
            new Client(configuration, CliFrontend.loadCustomCommandLines(configuration, conf)).go(arguments);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    private static void compile(Path sources, Path jar, String classpath, Path classes) throws IOException {
        StringWriter said = new StringWriter();
        PrintWriter writer = new PrintWriter(said);
        String[] options = {"-source", "17", "-target", "17", "-encoding", "UTF-8", "-proc:none", "-nowarn", "-g",
            "-d", classes.toString(), "-classpath", classpath, sources.toString()};
        if (!BatchCompiler.compile(options, writer, writer, null)) {
            throw new IOException(said.toString());
        }
        Files.createDirectories(jar.getParent());
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar)); Stream<Path> all = Files.walk(classes)) {
            for (Path one : all.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(new JarEntry(classes.relativize(one).toString()));
                out.write(Files.readAllBytes(one));
            }
        }
    }

    private static void write(Path folder, String file, String content) throws IOException {
        Path part = folder.resolve(file + ".part");
        Files.writeString(part, content);
        Files.move(part, folder.resolve(file), StandardCopyOption.ATOMIC_MOVE);
    }
}
