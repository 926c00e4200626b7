package flinkops.faults;

/** One record of the lab. Public fields and an empty constructor: Flink's own POJO serializer takes it. */
public class Event {
    /** Counts up, in each source subtask from another start. */
    public long id;

    public long key;
    public long atMs;
    public byte[] payload;

    public Event() {}

    public Event(long id, long key, long atMs, byte[] payload) {
        this.id = id;
        this.key = key;
        this.atMs = atMs;
        this.payload = payload;
    }
}
