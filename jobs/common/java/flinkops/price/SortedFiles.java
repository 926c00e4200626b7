package flinkops.price;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.PriorityQueue;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.assigners.FileSplitAssigner;
import org.apache.flink.connector.file.src.enumerate.NonSplittingRecursiveEnumerator;
import org.apache.flink.core.fs.Path;

/** The files of an archive in the order of their paths, each as one split whose id is its place in that order. */
final class SortedFiles {
    private SortedFiles() {}

    /** Lists folders to the bottom; files whose names begin with `.` or `_` are left out. */
    static final class Enumerator extends NonSplittingRecursiveEnumerator {
        @Override
        public Collection<FileSourceSplit> enumerateSplits(Path[] paths, int minDesiredSplits) throws IOException {
            List<FileSourceSplit> found = new ArrayList<>(super.enumerateSplits(paths, minDesiredSplits));
            found.sort(Comparator.comparing(split -> split.path().toString()));
            List<FileSourceSplit> splits = new ArrayList<>();
            for (FileSourceSplit split : found) {
                splits.add(
                        new FileSourceSplit(
                                String.format("%010d", splits.size()),
                                split.path(),
                                split.offset(),
                                split.length(),
                                split.fileModificationTime(),
                                split.fileSize(),
                                split.hostnames()));
            }
            return splits;
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
