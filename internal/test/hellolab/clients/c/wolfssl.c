/* Opens a TLS connection with the defaults of wolfSSL: port. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
	struct sockaddr_in to = {.sin_family = AF_INET};
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	int fd;
	if (argc != 2) {
		printf("%s\n", LIBWOLFSSL_VERSION_STRING);
		return 0;
	}
	to.sin_port = htons(atoi(argv[1]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return 1;
	wolfSSL_Init();
	ctx = wolfSSL_CTX_new(wolfSSLv23_client_method());
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
	ssl = wolfSSL_new(ctx);
	wolfSSL_set_fd(ssl, fd);
	return wolfSSL_connect(ssl) != WOLFSSL_SUCCESS;
}
