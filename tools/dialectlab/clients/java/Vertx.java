import io.vertx.ext.mail.*;
import java.util.Arrays;
import java.util.concurrent.*;

public class Vertx {
	public static void main(String[] a) throws Exception {
		io.vertx.core.Vertx v = io.vertx.core.Vertx.vertx();
		MailConfig c = new MailConfig(Lab.addr, Lab.port).setOwnHostname("client.example.org").setTrustAll(true).setSsl(Lab.tls.equals("smtps"))
			.setStarttls(Lab.tls.equals("starttls") ? StartTLSOptions.REQUIRED : StartTLSOptions.DISABLED).setLogin(Lab.login ? LoginOption.REQUIRED : LoginOption.DISABLED).setKeepAlive(Lab.mails > 1).setMaxPoolSize(1);
		if (Lab.login) c.setUsername("user").setPassword("secret");
		MailClient m = MailClient.create(v, c);
		for (int i = 0; i < Lab.mails; i++)
			try {
				m.sendMail(new MailMessage().setFrom("sender@example.org").setTo(Arrays.asList(Lab.to)).setSubject("x").setText(Lab.body())).toCompletionStage().toCompletableFuture().get(10, TimeUnit.SECONDS);
			} catch (Exception e) { System.err.println(e); }
		m.close();
		Thread.sleep(300);
		System.exit(0);
	}
}
