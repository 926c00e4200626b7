package flinkops.price;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.TreeMap;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.assigners.FileSplitAssigner;
import org.apache.flink.connector.file.src.enumerate.NonSplittingRecursiveEnumerator;
import org.apache.flink.core.fs.Path;

/** The files of an archive in the order of their paths, each as one split whose id is its place in that order. */
final class SortedFiles {
    private SortedFiles() {}

    /** Wildcards are expanded, folders listed to the bottom; files whose names begin with `.` or `_` are left out. */
    static final class Enumerator extends NonSplittingRecursiveEnumerator {
        @Override
        public Collection<FileSourceSplit> enumerateSplits(Path[] paths, int minDesiredSplits) throws IOException {
            // A file that several of the paths lead to is one file.
            Map<String, FileSourceSplit> found = new TreeMap<>();
            for (FileSourceSplit split : super.enumerateSplits(Globs.expand(List.of(paths)), minDesiredSplits)) {
                found.put(split.path().toString(), split);
            }
            // Several readers take the files in turn: none knows which one it will read next.
            boolean oneReader = minDesiredSplits == 1;
            List<FileSourceSplit> sorted = new ArrayList<>(found.values());
            List<FileSourceSplit> splits = new ArrayList<>();
            for (FileSourceSplit split : sorted) {
                String[] following = oneReader ? following(sorted, splits.size()) : new String[0];
                splits.add(
                        new FileSourceSplit(
                                String.format("%010d", splits.size()),
                                split.path(),
                                split.offset(),
                                split.length(),
                                split.fileModificationTime(),
                                split.fileSize(),
                                following));
            }
            return splits;
        }

        /** The small files after this one, for ReadAhead; none on a disk, which needs none. */
        private static String[] following(List<FileSourceSplit> sorted, int at) throws IOException {
            List<String> found = new ArrayList<>();
            for (int i = at + 1; i < sorted.size() && i <= at + ReadAhead.FILES; i++) {
                FileSourceSplit next = sorted.get(i);
                if (next.length() <= ReadAhead.MAX_BYTES && next.path().getFileSystem().isDistributedFS()) {
                    found.add(next.path().toString());
                }
            }
            return found.toArray(String[]::new);
        }
    }

    /** Assigns the first file that is left. */
    static final class Assigner implements FileSplitAssigner {
        private final PriorityQueue<FileSourceSplit> splits =
                new PriorityQueue<>(Comparator.comparing(FileSourceSplit::splitId));

        Assigner(Collection<FileSourceSplit> initial) {
            splits.addAll(initial);
        }

        @Override
        public Optional<FileSourceSplit> getNext(String hostname) {
            return Optional.ofNullable(splits.poll());
        }

        @Override
        public void addSplits(Collection<FileSourceSplit> returned) {
            splits.addAll(returned);
        }

        @Override
        public Collection<FileSourceSplit> remainingSplits() {
            return List.copyOf(splits);
        }
    }
}
