import NAMESPACE.mail.*;
import NAMESPACE.mail.internet.*;
import java.util.Properties;

public class Mail {
	public static void main(String[] a) throws Exception {
		Properties p = new Properties();
		String k = "mail.smtp.";
		p.put(k + "host", Lab.addr);
		p.put(k + "port", "" + Lab.port);
		p.put(k + "starttls.enable", "" + Lab.tls.equals("starttls"));
		p.put(k + "starttls.required", "" + Lab.tls.equals("starttls"));
		p.put(k + "ssl.enable", "" + Lab.tls.equals("smtps"));
		p.put(k + "ssl.trust", "*");
		p.put(k + "ssl.checkserveridentity", "false");
		p.put(k + "auth", "" + Lab.login);
		Session s = Session.getInstance(p);
		boolean resume = Lab.mails == 2 && Lab.tls.equals("starttls");
		Transport t = null;
		for (int i = 0; i < Lab.mails; i++) {
			if (t == null || resume) {
				if (t != null) t.close();
				t = s.getTransport("smtp");
				if (Lab.login) t.connect("user", "secret"); else t.connect();
			}
			MimeMessage m = new MimeMessage(s);
			m.setFrom(new InternetAddress("sender@example.org"));
			for (String to : Lab.to) m.addRecipient(Message.RecipientType.TO, new InternetAddress(to));
			m.setSubject("x");
			m.setText(Lab.body(), "utf-8");
			m.saveChanges();
			t.sendMessage(m, m.getAllRecipients());
		}
		t.close();
	}
}
