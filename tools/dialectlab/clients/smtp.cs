using System;
using System.IO;
using System.Net;
using System.Net.Mail;
class Lab {
	static void Main() {
		Func<string, string> e = Environment.GetEnvironmentVariable;
		ServicePointManager.ServerCertificateValidationCallback = (a, b, c, d) => true;
		var s = new SmtpClient(e("ADDR"), int.Parse(e("PORT")));
		s.EnableSsl = e("TLS") == "starttls";
		if (e("LOGIN") == "1") s.Credentials = new NetworkCredential("user", "secret");
		for (int i = 0; i < int.Parse(e("MAILS")); i++) {
			var m = new MailMessage { From = new MailAddress("sender@example.org"), Subject = "x", Body = File.ReadAllText(e("MSG")) };
			foreach (var t in e("TO").Split(' ')) m.To.Add(t);
			s.Send(m);
		}
		s.Dispose();
	}
}
