// Uses the local Vault API by way of Java's own HttpClient, as Java programs without a Vault library do, and prints a
// line for each answer: name, protocol, status, body.
//
// Arguments: the address of the local Vault API, the mount of a KV v2 engine.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

class Client {
  // It prefers HTTP/2, and asks to switch to it with each request in plain HTTP.
  private static final HttpClient client = HttpClient.newHttpClient();
  private static String address;

  public static void main(String[] arguments) throws Exception {
    address = arguments[0] + "/v1/";
    var mount = arguments[1];
    var own = mount + "/data/java/own";
    say("read", request("GET", mount + "/data/lambda", null));
    say("written", request("POST", own, "{\"data\": {\"n\": 1, \"colour\": \"red\"}}"));
    say("written again", request("PUT", own, "{\"data\": {\"n\": 2, \"colour\": \"red\"}}"));
    say("patched", request("PATCH", own, "{\"data\": {\"colour\": \"blue\"}}"));
    say("latest", request("GET", own, null));
    say("first version", request("GET", own + "?version=1", null));
    say("create over it", request("POST", own, "{\"data\": {}, \"options\": {\"cas\": 0}}"));
    say("list", request("LIST", mount + "/metadata/java", null));
    say("delete", request("DELETE", own, null));
    say("deleted", request("GET", own, null));
    say("forbidden", request("GET", mount + "/data/forbidden", null));
    say("missing", request("GET", mount + "/data/nowhere", null));
    say("token", request("GET", "auth/token/lookup-self", null));
    atOnce(50, request("GET", mount + "/data/lambda", null));
  }

  private static HttpRequest request(String method, String path, String body) {
    var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body);
    var request = HttpRequest.newBuilder(URI.create(address + path)).method(method, publisher);
    if (method.equals("PATCH")) {
      request.header("Content-Type", "application/merge-patch+json");
    }
    return request.build();
  }

  private static void say(String name, HttpRequest request) throws Exception {
    var answer = client.send(request, BodyHandlers.ofString());
    var fields = new String[] {
      name, answer.version().toString(), String.valueOf(answer.statusCode()), answer.body().strip()
    };
    System.out.println(String.join("\t", fields));
  }

  private static void atOnce(int count, HttpRequest request) {
    var asked = Stream.generate(() -> client.sendAsync(request, BodyHandlers.ofString()));
    var answers = asked.limit(count).toList();
    CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new)).join();
    var good = answers.stream().filter(answer -> answer.join().statusCode() == 200).count();
    System.out.println(String.join("\t", "at once", "HTTP_1_1", String.valueOf(good), "{}"));
  }
}
