package flinkops.rehearsal;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.api.common.typeutils.CompositeTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.util.LinkedOptionalMap;

/**
 * Fields of a POJO that a saved state has and the program's class has not. Flink leaves their values out when it migrates
 * the state, and says nothing: a field that was renamed begins empty.
 */
final class DroppedFields {
    private static final String POJO = "org.apache.flink.api.java.typeutils.runtime.PojoSerializerSnapshot";

    private DroppedFields() {}

    /** Adds their names, those of a field's fields behind a dot. */
    static void add(TypeSerializerSnapshot<?> before, TypeSerializerSnapshot<?> now, String path, Set<String> names)
            throws ReflectiveOperationException {
        if (before.getClass() != now.getClass()) {
            return;
        }
        if (before.getClass().getName().equals(POJO)) {
            Map<?, ?> kept = fields(now);
            for (Map.Entry<?, ?> field : fields(before).entrySet()) {
                String name = path + field.getKey();
                if (!kept.containsKey(field.getKey())) {
                    names.add(name);
                } else if (snapshot(field.getValue()) instanceof TypeSerializerSnapshot<?> one
                        && snapshot(kept.get(field.getKey())) instanceof TypeSerializerSnapshot<?> other) {
                    add(one, other, name + ".", names);
                }
            }
        } else if (before instanceof CompositeTypeSerializerSnapshot<?, ?>) {
            TypeSerializerSnapshot<?>[] olds = nested(before);
            TypeSerializerSnapshot<?>[] news = nested(now);
            for (int one = 0; one < Math.min(olds.length, news.length); one++) {
                add(olds[one], news[one], path, names);
            }
        }
    }

    private static Map<?, ?> fields(TypeSerializerSnapshot<?> pojo) throws ReflectiveOperationException {
        Object data = Fields.get(pojo, "snapshotData");
        LinkedOptionalMap<?, ?> all = (LinkedOptionalMap<?, ?>) Fields.get(data, "fieldSerializerSnapshots");
        return (Map<?, ?>) Fields.get(all, "underlyingMap");
    }

    private static Object snapshot(Object entry) throws ReflectiveOperationException {
        Object value = Fields.get(entry, "value");
        return value instanceof Optional<?> optional ? optional.orElse(null) : value;
    }

    private static TypeSerializerSnapshot<?>[] nested(TypeSerializerSnapshot<?> composite)
            throws ReflectiveOperationException {
        Object delegate = Fields.get(composite, "nestedSerializersSnapshotDelegate");
        return (TypeSerializerSnapshot<?>[]) Fields.get(delegate, "nestedSnapshots");
    }
}
