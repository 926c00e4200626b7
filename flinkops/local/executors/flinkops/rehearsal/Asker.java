package flinkops.rehearsal;

import java.io.IOException;

/** Who names the states to restore and hears what came of it. */
interface Asker {
    /** The program's graph is there, and a cluster for it runs. */
    void ready() throws IOException;

    /** The path to restore next; null when there is none. Asked right before: a checkpoint lives for seconds only. */
    String next() throws Exception;

    /** What came of it, as JSON; {@code unread}: files could not be read, as of a checkpoint that is gone. */
    void said(int number, String verdict, boolean unread) throws IOException;

    /** How far it has come. */
    void phase(String phase);

    /** The program submits a graph, told as JSON. */
    void graph(int number, String told) throws IOException;
}
