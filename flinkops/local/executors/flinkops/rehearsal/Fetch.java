package flinkops.rehearsal;

import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.plugin.PluginUtils;

/** {@code Fetch URI FILE}: the jar of a session job, as the operator fetches it: over http, or by a file system of Flink's. */
public final class Fetch {
    private Fetch() {}

    /** Ends with an exception where it cannot be had. */
    public static void main(String[] arguments) throws Exception {
        URI place = new URI(arguments[0]);
        try (InputStream content = open(place)) {
            Files.copy(content, Path.of(arguments[1]));
        }
    }

    private static InputStream open(URI place) throws Exception {
        if (String.valueOf(place.getScheme()).startsWith("http")) {
            return place.toURL().openStream();
        }
        Configuration configuration = GlobalConfiguration.loadConfiguration();
        FileSystem.initialize(configuration, PluginUtils.createPluginManagerFromRootFolder(configuration));
        org.apache.flink.core.fs.Path path = new org.apache.flink.core.fs.Path(place);
        return path.getFileSystem().open(path);
    }
}
