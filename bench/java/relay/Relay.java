package relay;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The least that brings a tenth of a topic's records to a webhook: consumer, HTTP POST, signed, no state, no guarantee.
 * The machine's own noise shows in its latency. Arguments: bootstrap, topic, host, port, path, secret, connections.
 * The consumer fetches as the job does. Ends when its input does.
 */
public final class Relay {
    private static final int ONE_OF = 10;
    private static final int QUEUED = 10_000;

    private Relay() {}

    private static final class Sender extends Thread {
        private final BlockingQueue<ConsumerRecord<byte[], byte[]>> queue = new ArrayBlockingQueue<>(QUEUED);
        private final String host;
        private final int port;
        private final String path;
        private final Mac mac;

        Sender(String host, int port, String path, String secret) throws Exception {
            super("sender");
            setDaemon(true);
            this.host = host;
            this.port = port;
            this.path = path;
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        }

        @Override
        public void run() {
            try (Socket socket = new Socket(host, port)) {
                socket.setTcpNoDelay(true);
                OutputStream out = socket.getOutputStream();
                InputStream in = socket.getInputStream();
                byte[] answer = new byte[4096];
                while (true) {
                    out.write(request(queue.take()));
                    await(in, answer);
                }
            } catch (IOException | InterruptedException problem) {
                System.err.println("a sender ended: " + problem);
            }
        }

        private byte[] request(ConsumerRecord<byte[], byte[]> record) {
            String scrape = new String(record.value(), StandardCharsets.UTF_8);
            byte[] body = ("{\"ingested_at\":" + record.timestamp() + "," + scrape.substring(1))
                    .getBytes(StandardCharsets.UTF_8);
            String seconds = Long.toString(System.currentTimeMillis() / 1000);
            String id = record.partition() + "-" + record.offset();
            String ours = HexFormat.of().formatHex(signature(seconds + ".", body));
            String theirs = Base64.getEncoder().encodeToString(signature(id + "." + seconds + ".", body));
            byte[] head = ("POST " + path + " HTTP/1.1\r\nHost: " + host + ":" + port
                            + "\r\nContent-Type: application/json\r\nIdempotency-Key: " + id + "\r\nwebhook-id: " + id
                            + "\r\nwebhook-timestamp: " + seconds + "\r\nwebhook-signature: v1," + theirs
                            + "\r\nX-Flinkops-Signature: t=" + seconds + ",v1=" + ours
                            + "\r\nContent-Length: " + body.length + "\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] whole = new byte[head.length + body.length];
            System.arraycopy(head, 0, whole, 0, head.length);
            System.arraycopy(body, 0, whole, head.length, body.length);
            return whole;
        }

        private byte[] signature(String before, byte[] body) {
            mac.update(before.getBytes(StandardCharsets.US_ASCII));
            return mac.doFinal(body);
        }

        /** The receiver's answers have no body: they end with their head. */
        private static void await(InputStream in, byte[] answer) throws IOException {
            int length = 0;
            while (true) {
                int read = in.read(answer, length, answer.length - length);
                if (read < 0) {
                    throw new IOException("the receiver hung up");
                }
                length += read;
                if (length >= 4 && answer[length - 4] == '\r' && answer[length - 1] == '\n') {
                    return;
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Sender[] senders = new Sender[Integer.parseInt(arguments[6])];
        for (int number = 0; number < senders.length; number++) {
            senders[number] = new Sender(arguments[2], Integer.parseInt(arguments[3]), arguments[4], arguments[5]);
            senders[number].start();
        }
        Thread parent = new Thread(Relay::endWithInput, "parent");
        parent.setDaemon(true);
        parent.start();
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0],
                "fetch.min.bytes", 16384,
                "fetch.max.wait.ms", 5,
                "enable.auto.commit", false);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(arguments[1]).stream()
                    .map(each -> new TopicPartition(each.topic(), each.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
            System.out.println("relaying");
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    if (record.offset() % ONE_OF == 0) {
                        senders[Math.floorMod(java.util.Arrays.hashCode(record.key()), senders.length)]
                                .queue.put(record);
                    }
                }
            }
        }
    }

    private static void endWithInput() {
        try {
            while (System.in.read() >= 0) {
                // nothing is said there
            }
        } catch (IOException problem) {
            // the same as its end
        }
        Runtime.getRuntime().halt(0);
    }
}
