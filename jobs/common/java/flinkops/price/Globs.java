package flinkops.price;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.hadoop.fs.GlobPattern;

/**
 * Paths with wildcards: `*` and `?` within a name, `[ab]`, `{a,b}`, and `**` for any folders. On any of Flink's file
 * systems, by one listing of each folder that can match. A path that exists as it is written is taken as it is.
 */
public final class Globs {
    private static final String WILDCARDS = "*?[{";
    private static final String ANY_FOLDERS = "**";

    private Globs() {}

    /**
     * What these paths mean: files, and folders that are read to the bottom. Names that begin with `.` or `_` match no
     * wildcard. Raises FileNotFoundException for a path that is not there or matches nothing.
     */
    public static Path[] expand(Collection<Path> paths) throws IOException {
        Set<String> found = new TreeSet<>();
        for (Path path : paths) {
            FileSystem files = path.getFileSystem();
            String[] names = path.getPath().split("/");
            int first = firstWildcard(names);
            if (first == names.length || files.exists(path)) {
                files.getFileStatus(path);
                found.add(path.toString());
                continue;
            }
            Set<String> matched = new TreeSet<>();
            String folder = String.join("/", Arrays.copyOf(names, first));
            Path root = new Path(path.toUri().getScheme(), path.toUri().getAuthority(), folder.isEmpty() ? "/" : folder);
            collect(files, root, Arrays.asList(names).subList(first, names.length), matched);
            if (matched.isEmpty()) {
                throw new FileNotFoundException("nothing matches " + path);
            }
            found.addAll(matched);
        }
        return found.stream().map(Path::new).toArray(Path[]::new);
    }

    /** Why these paths cannot be read: one is missing. Null when they can, or only the cluster knows. */
    public static String missing(List<String> paths) {
        try {
            List<Path> given = new ArrayList<>();
            paths.forEach(path -> given.add(new Path(path)));
            expand(given);
            return null;
        } catch (FileNotFoundException e) {
            return e.getMessage();
        } catch (IOException e) {
            return null; // no plug-in or no log-in here: the cluster may have both
        }
    }

    private static int firstWildcard(String[] names) {
        for (int i = 0; i < names.length; i++) {
            if (names[i].chars().anyMatch(letter -> WILDCARDS.indexOf(letter) >= 0)) {
                return i;
            }
        }
        return names.length;
    }

    private static void collect(FileSystem files, Path folder, List<String> patterns, Set<String> found)
            throws IOException {
        List<String> rest = patterns.subList(1, patterns.size());
        boolean any = patterns.get(0).equals(ANY_FOLDERS);
        if (any && !rest.isEmpty()) {
            collect(files, folder, rest, found);
        }
        GlobPattern pattern = new GlobPattern(any ? "*" : patterns.get(0));
        for (FileStatus child : children(files, folder)) {
            Path path = child.getPath();
            String name = path.getName();
            if (isHidden(name) || !pattern.matches(name)) {
                continue;
            }
            if (rest.isEmpty()) {
                found.add(path.toString());
            } else if (child.isDir()) {
                collect(files, path, any ? patterns : rest, found);
            }
        }
    }

    /** Empty for what is no folder, or is none any more. */
    private static List<FileStatus> children(FileSystem files, Path folder) throws IOException {
        try {
            FileStatus[] children = files.listStatus(folder);
            return children == null ? List.of() : new ArrayList<>(Arrays.asList(children));
        } catch (FileNotFoundException e) {
            return List.of();
        }
    }

    private static boolean isHidden(String name) {
        return name.startsWith(".") || name.startsWith("_");
    }
}
