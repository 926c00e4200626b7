package flinkops.faults;

import java.io.Serializable;

/** How a fault goes over time, from when its operator opened: from the start, ramping up, on and off, or healing. */
final class Course implements Serializable {
    private final double afterSeconds;
    private final double rampSeconds;
    private final double flapSeconds;
    private final double healSeconds;
    private transient long beganNanos;

    Course(Options options) {
        afterSeconds = options.number("after-seconds", 0);
        rampSeconds = options.number("ramp-seconds", 0);
        flapSeconds = options.number("flap-seconds", 0);
        healSeconds = options.number("heal-seconds", 0);
    }

    void begin() {
        beganNanos = System.nanoTime();
    }

    /** The share of the fault that is there now: 0 to 1. */
    double share() {
        double passed = (System.nanoTime() - beganNanos) / 1e9 - afterSeconds;
        if (passed < 0 || (healSeconds > 0 && passed > healSeconds)) {
            return 0;
        }
        if (flapSeconds > 0 && (long) (passed / flapSeconds) % 2 == 1) {
            return 0;
        }
        return rampSeconds > 0 ? Math.min(1, passed / rampSeconds) : 1;
    }
}
