package org.apache.flink.autoscaler;

import java.io.File;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.autoscaler.config.AutoScalerOptions;
import org.apache.flink.autoscaler.event.AutoScalerEventHandler;
import org.apache.flink.autoscaler.metrics.CollectedMetricHistory;
import org.apache.flink.autoscaler.metrics.CollectedMetrics;
import org.apache.flink.autoscaler.metrics.EvaluatedScalingMetric;
import org.apache.flink.autoscaler.metrics.FlinkMetric;
import org.apache.flink.autoscaler.metrics.ScalingMetric;
import org.apache.flink.autoscaler.metrics.ScalingMetrics;
import org.apache.flink.autoscaler.state.InMemoryAutoScalerStateStore;
import org.apache.flink.autoscaler.topology.IOMetrics;
import org.apache.flink.autoscaler.topology.JobTopology;
import org.apache.flink.autoscaler.topology.ShipStrategy;
import org.apache.flink.autoscaler.topology.VertexInfo;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.jobgraph.JobVertexID;
import org.apache.flink.runtime.rest.messages.job.metrics.AggregatedMetric;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What flink-autoscaler makes of given metrics: {@code java Reference CASES.json ANSWERS.json}.
 *
 * <p>From Flink's metrics on, as its collector turns them into its own, through evaluation, to the summary of what it
 * would scale. In this package since that last step is not public.
 */
public final class Reference {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] files) throws Exception {
        ArrayNode answers = JSON.createArrayNode();
        for (JsonNode given : JSON.readTree(new File(files[0]))) {
            answers.add(answer(given));
        }
        JSON.writeValue(new File(files[1]), answers);
    }

    private static ObjectNode answer(JsonNode given) {
        Configuration conf = new Configuration();
        given.get("settings").fields().forEachRemaining(each -> conf.setString(each.getKey(), each.getValue().asText()));
        SortedMap<Instant, CollectedMetrics> history = new TreeMap<>();
        JobTopology topology = null;
        for (JsonNode sample : given.get("samples")) {
            topology = topology(given.get("vertices"), sample.get("vertices"));
            history.put(Instant.ofEpochMilli(sample.get("at_ms").asLong()), collected(sample, topology, conf, history));
        }
        CollectedMetricHistory collected = new CollectedMetricHistory(topology, history, Instant.EPOCH);
        collected.setFullyCollected(true);
        Duration restart = conf.get(AutoScalerOptions.RESTART_TIME);
        var evaluated = new ScalingMetricEvaluator().evaluate(conf, collected, restart);
        var context = new JobAutoScalerContext<>("job", new JobID(), JobStatus.RUNNING, conf, null, () -> null);
        var executor = new ScalingExecutor<>(new Silent(), new InMemoryAutoScalerStateStore<>());
        var summaries =
                executor.computeScalingSummary(
                        context, evaluated, past(given.get("history")), restart, topology, new DelayedScaleDown());
        ObjectNode answer = JSON.createObjectNode();
        for (JobVertexID vertex : topology.getVerticesInTopologicalOrder()) {
            Map<ScalingMetric, EvaluatedScalingMetric> metrics = evaluated.getVertexMetrics().get(vertex);
            ObjectNode one = answer.putObject(vertex.toHexString());
            one.put("true_rate", number(metrics.get(ScalingMetric.TRUE_PROCESSING_RATE).getAverage()));
            one.put("target_rate", number(metrics.get(ScalingMetric.TARGET_DATA_RATE).getAverage()));
            one.put("catch_up_rate", number(metrics.get(ScalingMetric.CATCH_UP_DATA_RATE).getCurrent()));
            ScalingSummary summary = summaries.get(vertex);
            one.put("recommended", summary == null ? topology.get(vertex).getParallelism() : summary.getNewParallelism());
        }
        return answer;
    }

    private static String number(double value) {
        return Double.toString(value);
    }

    private static JobTopology topology(JsonNode vertices, JsonNode metrics) {
        var infos = new HashSet<VertexInfo>();
        for (JsonNode vertex : vertices) {
            var inputs = new HashMap<JobVertexID, ShipStrategy>();
            vertex.get("inputs").fields().forEachRemaining(
                    each -> inputs.put(JobVertexID.fromHexString(each.getKey()), ShipStrategy.of(each.getValue().asText())));
            JsonNode one = metrics.get(vertex.get("id").asText());
            boolean source = inputs.isEmpty();
            var io = new IOMetrics(
                    source ? 0 : one.get("records_in").asLong(),
                    one.get("records_out").asLong(),
                    one.get("busy_ms").asDouble());
            var info = new VertexInfo(
                    JobVertexID.fromHexString(vertex.get("id").asText()),
                    inputs,
                    vertex.get("parallelism").asInt(),
                    vertex.get("max_parallelism").asInt(),
                    io);
            if (vertex.hasNonNull("partitions")) {
                info.setNumSourcePartitions(vertex.get("partitions").asInt());
            }
            infos.add(info);
        }
        return new JobTopology(infos);
    }

    private static CollectedMetrics collected(
            JsonNode sample, JobTopology topology, Configuration conf, SortedMap<Instant, CollectedMetrics> history) {
        var vertices = new HashMap<JobVertexID, Map<ScalingMetric, Double>>();
        int least = conf.get(AutoScalerOptions.OBSERVED_TRUE_PROCESSING_RATE_MIN_OBSERVATIONS);
        for (JobVertexID vertex : topology.getVerticesInTopologicalOrder()) {
            JsonNode one = sample.get("vertices").get(vertex.toHexString());
            var flink = new HashMap<FlinkMetric, AggregatedMetric>();
            double busy = one.get("busy_max_ms").asDouble();
            flink.put(FlinkMetric.BUSY_TIME_PER_SEC, new AggregatedMetric("", busy, busy, busy, busy, 0.0));
            var scaling = new HashMap<ScalingMetric, Double>();
            if (topology.isSource(vertex)) {
                double held = one.get("backpressured_ms").asDouble();
                flink.put(FlinkMetric.BACKPRESSURE_TIME_PER_SEC, new AggregatedMetric("", held, held, held, held, 0.0));
                flink.put(FlinkMetric.PENDING_RECORDS, sum(one.get("pending").asDouble()));
                flink.put(FlinkMetric.SOURCE_TASK_NUM_RECORDS_IN, sum(one.get("records_in").asDouble()));
                flink.put(FlinkMetric.SOURCE_TASK_NUM_RECORDS_IN_PER_SEC, sum(one.get("rate").asDouble()));
                ScalingMetrics.computeLagMetrics(flink, scaling);
            }
            ScalingMetrics.computeLoadMetrics(vertex, flink, scaling, topology.get(vertex).getIoMetrics(), conf);
            ScalingMetrics.computeDataRateMetrics(
                    vertex,
                    flink,
                    scaling,
                    topology,
                    conf,
                    () -> ScalingMetricEvaluator.getAverage(ScalingMetric.OBSERVED_TPR, vertex, history, least));
            scaling.replaceAll((metric, value) -> ScalingMetrics.roundMetric(value));
            vertices.put(vertex, scaling);
        }
        var global = new HashMap<ScalingMetric, Double>();
        global.put(ScalingMetric.GC_PRESSURE, sample.get("gc").asDouble());
        global.put(ScalingMetric.HEAP_MAX_USAGE_RATIO, sample.get("heap").asDouble());
        return new CollectedMetrics(vertices, global);
    }

    private static AggregatedMetric sum(double value) {
        return new AggregatedMetric("", null, null, null, value, null);
    }

    private static Map<JobVertexID, SortedMap<Instant, ScalingSummary>> past(JsonNode history) {
        var past = new HashMap<JobVertexID, SortedMap<Instant, ScalingSummary>>();
        for (JsonNode one : history) {
            var metrics = new HashMap<ScalingMetric, EvaluatedScalingMetric>();
            metrics.put(ScalingMetric.TRUE_PROCESSING_RATE, EvaluatedScalingMetric.avg(one.get("true_rate").asDouble()));
            metrics.put(ScalingMetric.EXPECTED_PROCESSING_RATE, EvaluatedScalingMetric.of(one.get("expected_rate").asDouble()));
            past.computeIfAbsent(JobVertexID.fromHexString(one.get("vertex").asText()), each -> new TreeMap<>())
                    .put(
                            Instant.ofEpochMilli(one.get("at_ms").asLong()),
                            new ScalingSummary(one.get("before").asInt(), one.get("after").asInt(), metrics));
        }
        return past;
    }

    /** Says nothing: what is asked for is the outcome. */
    private static final class Silent implements AutoScalerEventHandler<String, JobAutoScalerContext<String>> {
        @Override
        public void handleEvent(
                JobAutoScalerContext<String> context,
                Type type,
                String reason,
                String message,
                String key,
                Duration interval) {}
    }
}
