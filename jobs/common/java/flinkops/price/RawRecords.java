package flinkops.price;

import java.io.Closeable;
import java.io.IOException;

/** The records of one file as JSON, one after the other. */
interface RawRecords extends Closeable {
    /** The next record; null at the end. */
    byte[] next() throws IOException;

    /** How many bytes the record that came last has: more than were returned, where it is too long for one. */
    long length();

    /** The line or row of the record that came last, from 0. */
    long position();
}
