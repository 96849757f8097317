import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one node in the folder that it is given, and prints the port that it listens on once it does.
 *
 * There is no distribution of Elasticsearch among the published jars, and so no `bin/elasticsearch` either: this does
 * what that would, without the security manager, the native controller and the keystore.
 */
public final class Launcher {
    public static void main(String[] arguments) throws Exception {
        PrintStream output = System.out; // before it is turned into lines of the log
        Path home = Path.of(arguments[0]).toAbsolutePath();
        System.setProperty("es.path.home", home.toString());
        LogConfigurator.configureESLogging();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            Settings.EMPTY, Map.of("path.home", home.toString()), home.resolve("config"), () -> "keyferry-tests");
        LogConfigurator.configure(environment, true);
        PluginsLoader modules = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(home.resolve("modules")), Set.of(), Map.of(), false);
        Node node = new Node(environment, modules);
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception problem) {
                problem.printStackTrace();
            } finally {
                ended.countDown();
            }
        }));
        node.start();
        HttpServerTransport http = node.injector().getInstance(HttpServerTransport.class);
        output.println("{\"port\": " + http.boundAddress().publishAddress().getPort() + "}");
        output.flush();
        ended.await();
    }
}
