// VMime
#include <fstream>
#include <iostream>
#include <sstream>
#include <vmime/platforms/posix/posixHandler.hpp>
#include <vmime/vmime.hpp>

struct trust : vmime::security::cert::defaultCertificateVerifier {
	void verify(const vmime::shared_ptr<vmime::security::cert::certificateChain> &, const std::string &) {}
};

int main() try {
	vmime::platform::setHandler<vmime::platforms::posix::posixHandler>();
	std::string tls = getenv("TLS"), to = getenv("TO"), t;
	vmime::shared_ptr<vmime::net::session> s = vmime::net::session::create();
	vmime::utility::url u((tls == "smtps" ? "smtps://" : "smtp://") + std::string(getenv("ADDR")) + ":" + getenv("PORT"));
	auto tr = s->getTransport(u);
	if (tls == "starttls") tr->setProperty("connection.tls", true), tr->setProperty("connection.tls.required", true);
	if (*getenv("LOGIN")) {
		tr->setProperty("options.need-authentication", true);
		tr->setProperty("auth.username", "user");
		tr->setProperty("auth.password", "secret");
	}
	tr->setCertificateVerifier(vmime::make_shared<trust>());
	tr->connect();
	std::ifstream f(getenv("MSG"));
	std::stringstream text;
	text << f.rdbuf();
	std::string m;
	for (char c : text.str()) m += c == '\n' ? "\r\n" : std::string(1, c);
	vmime::mailboxList l;
	std::istringstream all(to);
	while (all >> t) l.appendMailbox(vmime::make_shared<vmime::mailbox>(t));
	vmime::utility::inputStreamStringAdapter in(m);
	tr->send(vmime::mailbox("sender@example.org"), l, in, m.size());
	tr->disconnect();
} catch (std::exception &e) {
	std::cerr << e.what() << "\n";
	return 1;
}
