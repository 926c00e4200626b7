package flinkops.alerts;

/** One alert as it leaves: the SKU, by which alerts keep their order, and the JSON that docs/price-alerts.md states. */
public final class Alert {
    public byte[] key;
    public byte[] value;
}
