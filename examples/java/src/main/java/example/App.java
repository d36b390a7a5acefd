package example;

import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;

/**
 * Reads one secret in three ways and answers with a fingerprint of what each saw. A real function
 * uses its secret; it never answers with it.
 */
public class App {
  private final HttpClient client = HttpClient.newHttpClient();

  public Map<String, String> handle(Map<String, Object> event) throws Exception {
    return Map.of(
        "variable", fingerprint(System.getenv("API_KEY")),
        "file", fingerprint(Files.readString(Path.of("/tmp/vault/api-key"))),
        "proxy", fingerprint(throughProxy()));
  }

  /** Asks the local Vault API, which needs no token. */
  private String throughProxy() throws IOException, InterruptedException {
    var path = "/v1/" + System.getenv("VAULT_SECRET_PATH_API");
    var request = HttpRequest.newBuilder(URI.create(System.getenv("VAULT_ADDR") + path)).build();
    var answer = client.send(request, BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IOException(path + ": " + answer.statusCode());
    }
    var body = JsonParser.parseString(answer.body()).getAsJsonObject();
    return body.getAsJsonObject("data").getAsJsonObject("data").get("api-key").getAsString();
  }

  private static String fingerprint(String secret) throws GeneralSecurityException {
    var digest = MessageDigest.getInstance("SHA-256").digest(secret.getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest, 0, 4);
  }
}
