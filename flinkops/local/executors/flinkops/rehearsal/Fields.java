package flinkops.rehearsal;

import java.lang.reflect.Field;

/** Private fields of Flink's that have the same names in 1.20 and 2.x. */
final class Fields {
    private Fields() {}

    static Object get(Object owner, String name) throws ReflectiveOperationException {
        return find(owner.getClass(), name).get(owner);
    }

    static void set(Object owner, String name, Object value) throws ReflectiveOperationException {
        find(owner.getClass(), name).set(owner, value);
    }

    private static Field find(Class<?> start, String name) throws NoSuchFieldException {
        for (Class<?> one = start; one != null; one = one.getSuperclass()) {
            try {
                Field field = one.getDeclaredField(name);
                field.setAccessible(true);
                return field;
            } catch (NoSuchFieldException further) {
                continue;
            }
        }
        throw new NoSuchFieldException(start.getName() + "." + name);
    }
}
