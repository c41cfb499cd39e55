import java.io.Writer;
import org.apache.commons.net.smtp.*;
import org.apache.commons.net.util.TrustManagerUtils;

public class CommonsNet {
	public static void main(String[] a) throws Exception {
		AuthenticatingSMTPClient c = new AuthenticatingSMTPClient("TLS", Lab.tls.equals("smtps"));
		c.setTrustManager(TrustManagerUtils.getAcceptAllTrustManager());
		c.connect(Lab.addr, Lab.port);
		c.elogin("client.example.org");
		if (Lab.tls.equals("starttls")) { c.execTLS(); c.elogin("client.example.org"); }
		if (Lab.login) c.auth(AuthenticatingSMTPClient.AUTH_METHOD.PLAIN, "user", "secret");
		for (int i = 0; i < Lab.mails; i++) {
			c.setSender("sender@example.org");
			for (String to : Lab.to) c.addRecipient(to);
			Writer w = c.sendMessageData();
			if (w == null) break;
			w.write(Lab.text());
			w.close();
			c.completePendingCommand();
		}
		c.logout();
		c.disconnect();
	}
}
