package flinkops.price;

import java.math.BigDecimal;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.functions.AggregateFunction;

/**
 * The price that comes last by time and then sequence; SQL's own LAST_VALUE goes by the order in which records
 * happen to arrive from several prices of one SKU. Equal in both, the higher price, so that there is one answer.
 */
@FunctionHint(output = @DataTypeHint("DECIMAL(18, 4)"))
public final class LastPrice extends AggregateFunction<BigDecimal, LastPrice.Accumulator> {
    private static final long serialVersionUID = 1L;

    /** The latest price so far. */
    public static final class Accumulator {
        public long orderTime = Long.MIN_VALUE;
        public long sequence = Long.MIN_VALUE;
        @DataTypeHint("DECIMAL(18, 4)")
        public BigDecimal price;
    }

    @Override
    public Accumulator createAccumulator() {
        return new Accumulator();
    }

    public void accumulate(
            Accumulator last, @DataTypeHint("DECIMAL(18, 4)") BigDecimal price, Long orderTime, Long sequence) {
        int order = Long.compare(orderTime, last.orderTime);
        order = order != 0 ? order : Long.compare(sequence, last.sequence);
        if (last.price == null || order > 0 || order == 0 && price.compareTo(last.price) > 0) {
            last.orderTime = orderTime;
            last.sequence = sequence;
            last.price = price;
        }
    }

    /** Sliding windows are put together from slices, and sessions from shorter ones. */
    public void merge(Accumulator last, Iterable<Accumulator> others) {
        for (Accumulator other : others) {
            if (other.price != null) {
                accumulate(last, other.price, other.orderTime, other.sequence);
            }
        }
    }

    @Override
    public BigDecimal getValue(Accumulator last) {
        return last.price;
    }
}
