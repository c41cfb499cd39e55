import com.hubspot.smtp.client.*;
import com.hubspot.smtp.messages.MessageContent;
import io.netty.buffer.Unpooled;
import java.util.*;
import java.util.concurrent.*;

public class Nio {
	public static void main(String[] a) throws Exception {
		SmtpSessionFactory f = new SmtpSessionFactory(SmtpSessionFactoryConfig.nonProductionConfig().withSslEngineSupplier(() -> {
			try {
				javax.net.ssl.SSLContext c = javax.net.ssl.SSLContext.getInstance("TLS");
				c.init(null, io.netty.handler.ssl.util.InsecureTrustManagerFactory.INSTANCE.getTrustManagers(), null);
				return c.createSSLEngine();
			} catch (Exception e) { throw new RuntimeException(e); }
		}));
		SmtpSession s = f.connect(SmtpSessionConfig.builder().remoteAddress(java.net.InetSocketAddress.createUnresolved(Lab.addr, Lab.port)).build()).get(10, TimeUnit.SECONDS).getSession();
		s.send(EhloRequest()).get();
		if (Lab.tls.equals("starttls")) s.startTls().get();
		if (Lab.login) s.authPlain("user", "secret").get();
		for (int i = 0; i < Lab.mails; i++)
			s.send("sender@example.org", Arrays.asList(Lab.to), MessageContent.of(Unpooled.wrappedBuffer(Lab.text().getBytes("UTF-8")))).get();
		s.send(new io.netty.handler.codec.smtp.DefaultSmtpRequest("QUIT")).get();
		s.close().get();
		System.exit(0);
	}
	static io.netty.handler.codec.smtp.SmtpRequest EhloRequest() { return new io.netty.handler.codec.smtp.DefaultSmtpRequest("EHLO", "client.example.org"); }
}
