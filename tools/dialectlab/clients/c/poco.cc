// POCO Net
#include <Poco/Net/MailMessage.h>
#include <Poco/Net/MailRecipient.h>
#include <Poco/Net/SMTPClientSession.h>
#include <Poco/Net/SecureSMTPClientSession.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/SSLManager.h>
#include <Poco/Net/AcceptCertificateHandler.h>
#include <fstream>
#include <iostream>
#include <sstream>
using namespace Poco::Net;

int main() try {
	std::string addr = getenv("ADDR"), tls = getenv("TLS"), to = getenv("TO"), t;
	int port = atoi(getenv("PORT"));
	initializeSSL();
	Poco::SharedPtr<InvalidCertificateHandler> h = new AcceptCertificateHandler(false);
	Context::Ptr c = new Context(Context::TLS_CLIENT_USE, "", Context::VERIFY_NONE);
	SSLManager::instance().initializeClient(0, h, c);
	std::ifstream f(getenv("MSG"));
	std::stringstream text;
	text << f.rdbuf();
	MailMessage m;
	m.setSender("sender@example.org");
	std::istringstream all(to);
	while (all >> t) m.addRecipient(MailRecipient(MailRecipient::PRIMARY_RECIPIENT, t));
	m.setSubject("x");
	m.setContent(text.str(), MailMessage::ENCODING_8BIT);
	auto talk = [&](SMTPClientSession &s) {
		if (*getenv("LOGIN")) s.login("client.example.org", SMTPClientSession::AUTH_PLAIN, "user", "secret");
		s.sendMessage(m);
		s.close();
	};
	if (tls == "smtps") {
		SecureStreamSocket sock(SocketAddress(addr, port), addr);
		SMTPClientSession s(sock);
		if (!*getenv("LOGIN")) s.login("client.example.org");
		talk(s);
	} else if (tls == "starttls") {
		SecureSMTPClientSession s(addr, port);
		s.login("client.example.org");
		s.startTLS();
		if (!*getenv("LOGIN")) s.login("client.example.org");
		talk(s);
	} else {
		SMTPClientSession s(addr, port);
		s.login("client.example.org");
		talk(s);
	}
} catch (Poco::Exception &e) {
	std::cerr << e.displayText() << "\n";
	return 1;
}
