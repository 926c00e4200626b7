package flinkops.rehearsal;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;

/** Proxies over the public interfaces of a class. */
final class Interfaces {
    private Interfaces() {}

    /** All public interfaces of the class, also those behind interfaces that are not public. */
    static Set<Class<?>> of(Class<?> start) {
        Set<Class<?>> found = new LinkedHashSet<>();
        for (Class<?> one = start; one != null; one = one.getSuperclass()) {
            add(one.getInterfaces(), found);
        }
        return found;
    }

    private static void add(Class<?>[] interfaces, Set<Class<?>> found) {
        for (Class<?> one : interfaces) {
            if (Modifier.isPublic(one.getModifiers())) {
                found.add(one);
            }
            add(one.getInterfaces(), found);
        }
    }

    static Object proxy(ClassLoader loader, Set<Class<?>> interfaces, InvocationHandler handler) {
        return Proxy.newProxyInstance(loader, interfaces.toArray(new Class<?>[0]), handler);
    }

    static Set<Class<?>> set(Class<?>... some) {
        return new LinkedHashSet<>(Arrays.asList(some));
    }
}
