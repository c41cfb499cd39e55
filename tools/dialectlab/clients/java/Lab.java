import java.nio.charset.StandardCharsets;
import java.nio.file.*;

/** What the recorder asks of a client, from the environment. */
class Lab {
	static String e(String n) { String v = System.getenv(n); return v == null ? "" : v; }
	static final String addr = e("ADDR"), tls = e("TLS");
	static final int port = Integer.parseInt(e("PORT")), mails = Integer.parseInt(e("MAILS"));
	static final boolean login = !e("LOGIN").isEmpty();
	static final String[] to = e("TO").split(" ");
	static String text() throws Exception { return new String(Files.readAllBytes(Paths.get(e("MSG"))), StandardCharsets.UTF_8).replace("\n", "\r\n"); }
	static String body() throws Exception { return text().split("\r\n\r\n", 2)[1]; }
}
