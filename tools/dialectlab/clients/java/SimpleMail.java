import org.simplejavamail.api.mailer.*;
import org.simplejavamail.api.mailer.config.TransportStrategy;
import org.simplejavamail.email.EmailBuilder;
import org.simplejavamail.mailer.MailerBuilder;

public class SimpleMail {
	public static void main(String[] a) throws Exception {
		Mailer m = MailerBuilder.withSMTPServer(Lab.addr, Lab.port, Lab.login ? "user" : null, Lab.login ? "secret" : null)
			.withTransportStrategy(Lab.tls.equals("smtps") ? TransportStrategy.SMTPS : Lab.tls.isEmpty() ? TransportStrategy.SMTP : TransportStrategy.SMTP_TLS)
			.trustingAllHosts(true).verifyingServerIdentity(false).withProperty("mail.smtp.starttls.enable", "" + Lab.tls.equals("starttls")).buildMailer();
		for (int i = 0; i < Lab.mails; i++)
			m.sendMail(EmailBuilder.startingBlank().from("sender@example.org").toMultiple(Lab.to).withSubject("x").withPlainText(Lab.body()).buildEmail());
	}
}
