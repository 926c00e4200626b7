package flinkops.rehearsal;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** In the place of an operator behind a sink's writer: its state is at hand, and nothing is done with it. */
final class RestoreOnly extends AbstractStreamOperator<Object> implements OneInputStreamOperator<Object, Object> {
    private static final long serialVersionUID = 1L;

    @Override
    public void processElement(StreamRecord<Object> element) {}
}
