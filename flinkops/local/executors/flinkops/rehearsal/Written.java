package flinkops.rehearsal;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.common.state.StateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Handle;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Label;
import org.apache.flink.shaded.asm9.org.objectweb.asm.MethodVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Opcodes;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Type;

/**
 * Descriptors that the code of a class makes of constants, as {@code new ValueStateDescriptor<>("last", Types.LONG)} in a
 * method that the first record calls: made here by reading that code. Whatever else it does is passed over.
 */
final class Written {
    private static final int API = Opcodes.ASM9;
    private static final String FLINK = "org.apache.flink.";
    private static final Set<String> MAKERS = Set.of(
            "org.apache.flink.api.common.typeinfo.Types", "org.apache.flink.api.common.typeinfo.TypeInformation");

    private Written() {}

    static List<StateDescriptor<?, ?>> in(Class<?> type) {
        List<StateDescriptor<?, ?>> found = new ArrayList<>();
        ClassLoader loader = type.getClassLoader();
        String file = type.getName().replace('.', '/') + ".class";
        try (InputStream code = loader == null ? null : loader.getResourceAsStream(file)) {
            if (code != null) {
                new ClassReader(code).accept(new ClassVisitor(API) {
                    @Override
                    public MethodVisitor visitMethod(int access, String name, String of, String generic, String[] thrown) {
                        return new Reading(type, found);
                    }
                }, ClassReader.SKIP_FRAMES | ClassReader.SKIP_DEBUG);
            }
        } catch (IOException | RuntimeException | LinkageError unreadable) {
            // as of a lambda, or of a class file newer than this reader
        }
        return found;
    }

    /** An object that the code has begun to make. */
    private record Begun(Class<?> type) {}

    /** One method: values that are known, in the order of the stack; forgotten at everything that is not understood. */
    private static final class Reading extends MethodVisitor {
        private final Class<?> owner;
        private final List<StateDescriptor<?, ?>> found;
        private final Deque<Object> stack = new ArrayDeque<>();

        Reading(Class<?> owner, List<StateDescriptor<?, ?>> found) {
            super(API);
            this.owner = owner;
            this.found = found;
        }

        private interface Step {
            void take() throws ReflectiveOperationException;
        }

        private void step(Step step) {
            try {
                step.take();
            } catch (ReflectiveOperationException | RuntimeException | LinkageError unknown) {
                stack.clear();
            }
        }

        private Class<?> named(String internal) throws ClassNotFoundException {
            return Class.forName(Type.getObjectType(internal).getClassName(), false, owner.getClassLoader());
        }

        @Override
        public void visitLdcInsn(Object value) {
            step(() -> stack.push(value instanceof Type type ? named(type.getInternalName()) : value));
        }

        @Override
        public void visitIntInsn(int code, int operand) {
            stack.push(operand);
        }

        @Override
        public void visitFieldInsn(int code, String of, String name, String type) {
            step(() -> {
                Class<?> holder = named(of);
                if (code != Opcodes.GETSTATIC || !(holder.getName().startsWith(FLINK) || holder == owner)) {
                    throw new NoSuchFieldException(name); // to read it might start something
                }
                Field field = holder.getField(name);
                stack.push(field.get(null));
            });
        }

        @Override
        public void visitTypeInsn(int code, String of) {
            step(() -> {
                if (code == Opcodes.NEW) {
                    stack.push(new Begun(named(of)));
                } else if (code == Opcodes.ANEWARRAY) {
                    stack.push(Array.newInstance(named(of), (Integer) stack.pop()));
                } else if (code != Opcodes.CHECKCAST) {
                    stack.clear();
                }
            });
        }

        @Override
        public void visitInsn(int code) {
            step(() -> {
                if (code >= Opcodes.ICONST_M1 && code <= Opcodes.ICONST_5) {
                    stack.push(code - Opcodes.ICONST_0);
                } else if (code == Opcodes.DUP) {
                    stack.push(stack.element());
                } else if (code == Opcodes.AASTORE) {
                    Object value = stack.pop();
                    int place = (Integer) stack.pop();
                    Array.set(stack.pop(), place, value);
                } else {
                    stack.clear();
                }
            });
        }

        @Override
        public void visitMethodInsn(int code, String of, String name, String signature, boolean onInterface) {
            step(() -> {
                Class<?> holder = named(of);
                Class<?>[] types = types(signature);
                Object[] values = new Object[types.length];
                for (int one = values.length - 1; one >= 0; one--) {
                    values[one] = stack.pop();
                }
                if (name.equals("<init>")) {
                    make(holder, types, values);
                } else if (code == Opcodes.INVOKESTATIC && MAKERS.contains(holder.getName())) {
                    Method maker = holder.getMethod(name, types);
                    stack.push(maker.invoke(null, values));
                } else {
                    stack.clear();
                }
            });
        }

        private void make(Class<?> type, Class<?>[] types, Object[] values) throws ReflectiveOperationException {
            Begun begun = (Begun) stack.pop();
            boolean describes = StateDescriptor.class.isAssignableFrom(type) || TypeInformation.class.isAssignableFrom(type);
            boolean known = describes && type.getName().startsWith(FLINK) || TypeHint.class.isAssignableFrom(type);
            if (begun.type() != type || !known) {
                stack.clear();
                return;
            }
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            Object made = constructor.newInstance(values);
            if (stack.peek() == begun) {
                stack.pop();
                stack.push(made);
            }
            if (made instanceof StateDescriptor<?, ?> descriptor) {
                found.add(descriptor);
            }
        }

        private Class<?>[] types(String signature) throws ClassNotFoundException {
            Type[] all = Type.getArgumentTypes(signature);
            Class<?>[] types = new Class<?>[all.length];
            for (int one = 0; one < all.length; one++) {
                boolean named = all[one].getSort() == Type.OBJECT || all[one].getSort() == Type.ARRAY;
                String name = named ? all[one].getInternalName() : null;
                types[one] = name == null ? int.class : Class.forName(name.replace('/', '.'), false, owner.getClassLoader());
            }
            return types;
        }

        @Override
        public void visitVarInsn(int code, int variable) {
            stack.clear();
        }

        @Override
        public void visitIincInsn(int variable, int by) {
            stack.clear();
        }

        @Override
        public void visitJumpInsn(int code, Label to) {
            stack.clear();
        }

        @Override
        public void visitInvokeDynamicInsn(
                String name, String signature, Handle by, Object... with) {
            stack.clear();
        }

        @Override
        public void visitMultiANewArrayInsn(String type, int dimensions) {
            stack.clear();
        }
    }
}
