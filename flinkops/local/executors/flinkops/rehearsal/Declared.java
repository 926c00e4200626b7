package flinkops.rehearsal;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.runtime.state.metainfo.StateMetaInfoSnapshot;
import org.apache.flink.util.InstantiationUtil;

/**
 * Descriptors of states that an operator's objects and their classes hold, or make of constants. What a function or a
 * trigger opens with its first record is mostly described so: whether that can read what was saved is known without one.
 */
final class Declared {
    private static final int MOST_OBJECTS = 5_000;
    private static final List<String> OF_JAVA = List.of("java.", "javax.", "jdk.", "sun.");
    private static final List<String> NOT_OF_THE_PROGRAM =
            List.of("java.", "javax.", "jdk.", "sun.", "org.apache.flink.", "org.slf4j.", "org.apache.logging.");

    private final Set<Object> visited = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<Class<?>> classes = new HashSet<>();
    private final Set<Object> around = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Deque<Object> open = new ArrayDeque<>();
    private final Map<String, List<StateDescriptor<?, ?>>> byName = new LinkedHashMap<>();

    private final ExecutionConfig config;
    private final ClassLoader loader;

    Declared(ExecutionConfig config, ClassLoader loader) {
        this.config = config;
        this.loader = loader;
    }

    /** States of these that no descriptor of that name in the operator can read: name, and why. */
    List<Map<String, Object>> refused(Object operator, String id, Collection<StateMetaInfoSnapshot> saved) {
        try {
            search(operator);
        } catch (RuntimeException | LinkageError hidden) {
            return List.of(); // a collection of its own that tells nothing: this is an addition only
        }
        List<Map<String, Object>> all = new ArrayList<>();
        for (StateMetaInfoSnapshot one : saved) {
            String why = refused(one);
            if (why != null) {
                boolean own = byName.get(one.getName()).stream().anyMatch(each -> !around.contains(each));
                all.add(Map.of("operator", id, "name", one.getName(), "error", why, "own", own));
            }
        }
        return all;
    }

    private String refused(StateMetaInfoSnapshot saved) {
        String why = null;
        for (StateDescriptor<?, ?> one : byName.getOrDefault(saved.getName(), List.of())) {
            why = refused(one, saved);
            if (why == null) {
                return null;
            }
        }
        return why;
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private String refused(StateDescriptor<?, ?> declared, StateMetaInfoSnapshot saved) {
        String type = saved.getOption(StateMetaInfoSnapshot.CommonOptionsKeys.KEYED_STATE_TYPE);
        if (type != null && !type.equals("UNKNOWN") && !type.equals(declared.getType().name())) {
            return "it is of type " + type + ", and declared as " + declared.getType().name();
        }
        TypeSerializerSnapshot before =
                saved.getTypeSerializerSnapshot(StateMetaInfoSnapshot.CommonSerializerKeys.VALUE_SERIALIZER);
        if (before == null || declared.getTtlConfig().isEnabled() || before.getClass().getName().contains("Ttl")) {
            return null; // its serializer is wrapped when it is opened
        }
        try {
            StateDescriptor<?, ?> now = InstantiationUtil.clone(declared, loader); // the program's own stays as it is
            now.initializeSerializerUnlessSet(config);
            TypeSerializer<?> serializer = now.getSerializer();
            boolean refuses = serializer.snapshotConfiguration().resolveSchemaCompatibility(before).isIncompatible();
            return refuses ? "it cannot be read by the serializer declared: " + serializer.getClass().getName() : null;
        } catch (IOException | ClassNotFoundException | RuntimeException | LinkageError unknown) {
            return null;
        }
    }

    private void search(Object operator) {
        open.add(operator);
        while (!open.isEmpty() && visited.size() < MOST_OBJECTS) {
            Object one = open.remove();
            if (!visited.add(one)) {
                continue;
            }
            if (one instanceof StateDescriptor<?, ?> descriptor) {
                byName.computeIfAbsent(descriptor.getName(), name -> new ArrayList<>()).add(descriptor);
            } else if (one instanceof Collection<?> elements) {
                elements.forEach(this::add);
            } else if (one instanceof Object[] elements) {
                Arrays.asList(elements).forEach(this::add);
            } else if (!within(one.getClass(), OF_JAVA)) {
                for (Class<?> type = one.getClass(); type != null; type = type.getSuperclass()) {
                    fields(type, one);
                    code(type);
                }
            }
        }
    }

    /** What the program's own classes hold, and what they make. */
    private void code(Class<?> type) {
        if (within(type, NOT_OF_THE_PROGRAM) || !classes.add(type)) {
            return;
        }
        Written.in(type).forEach(this::add);
        fields(type, null);
        if (type.getNestHost() != type) {
            Deque<Object> own = new ArrayDeque<>(open);
            open.clear();
            fields(type.getNestHost(), null);
            around.addAll(open);
            open.addAll(own);
        }
    }

    private void fields(Class<?> type, Object owner) {
        if (within(type, OF_JAVA)) {
            return;
        }
        for (Field field : type.getDeclaredFields()) {
            if (field.getType().isPrimitive() || Modifier.isStatic(field.getModifiers()) != (owner == null)) {
                continue;
            }
            if (owner == null && !StateDescriptor.class.isAssignableFrom(field.getType())) {
                continue;
            }
            try {
                field.setAccessible(true);
                add(field.get(owner));
            } catch (ReflectiveOperationException | RuntimeException | LinkageError hidden) {
                // then it is not looked into
            }
        }
    }

    private void add(Object one) {
        if (one != null) {
            open.add(one);
        }
    }

    private static boolean within(Class<?> type, List<String> packages) {
        return packages.stream().anyMatch(type.getName()::startsWith);
    }
}
