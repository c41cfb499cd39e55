/* libetpan */
#include <libetpan/libetpan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
	char *addr = getenv("ADDR"), *tls = getenv("TLS"), *to = getenv("TO");
	int port = atoi(getenv("PORT")), r;
	static char text[200000];
	FILE *f = fopen(getenv("MSG"), "r");
	size_t n = 0;
	int c;
	while ((c = fgetc(f)) != EOF) {
		if (c == '\n') text[n++] = '\r';
		text[n++] = c;
	}
	mailsmtp *s = mailsmtp_new(0, NULL);
	r = strcmp(tls, "smtps") ? mailsmtp_socket_connect(s, addr, port) : mailsmtp_ssl_connect(s, addr, port);
	if (r != MAILSMTP_NO_ERROR) return 1;
	r = mailsmtp_init(s);
	if (r == MAILSMTP_NO_ERROR && !strcmp(tls, "starttls")) {
		r = mailsmtp_socket_starttls(s);
		if (r == MAILSMTP_NO_ERROR) r = mailsmtp_init(s);
	}
	if (r == MAILSMTP_NO_ERROR && *getenv("LOGIN")) r = mailesmtp_auth_sasl(s, "PLAIN", addr, NULL, NULL, "user", "user", "secret", NULL);
	clist *l = esmtp_address_list_new();
	for (char *t = strtok(to, " "); t; t = strtok(NULL, " ")) esmtp_address_list_add(l, t, 0, NULL);
	if (r == MAILSMTP_NO_ERROR) r = mailesmtp_send(s, "sender@example.org", 0, NULL, l, text, n);
	printf("%d\n", r);
	mailsmtp_quit(s);
	mailsmtp_free(s);
	return 0;
}
