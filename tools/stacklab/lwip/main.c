/* Writes the packets of connections between two addresses of lwIP to a pcap
 * file: one over IPv4, one over IPv6. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"

static FILE *capture;
static struct pbuf *wire[16]; /* what is sent and not yet received */
static int sent, received, connected;
static u32_t now;

u32_t sys_now(void) { return now; }

static err_t put(struct pbuf *p) {
	static uint32_t at;
	uint8_t packet[1600];
	uint32_t head[4] = {1700000000, ++at, p->tot_len, p->tot_len};
	pbuf_copy_partial(p, packet, p->tot_len, 0);
	fwrite(head, sizeof head, 1, capture);
	fwrite(packet, p->tot_len, 1, capture);
	struct pbuf *copy = pbuf_alloc(PBUF_LINK, p->tot_len, PBUF_RAM);
	if (copy == NULL || sent - received == 16)
		return ERR_MEM;
	pbuf_copy(copy, p);
	wire[sent++ % 16] = copy;
	return ERR_OK;
}

static err_t put4(struct netif *n, struct pbuf *p, const ip4_addr_t *to) { return put(p); }
static err_t put6(struct netif *n, struct pbuf *p, const ip6_addr_t *to) { return put(p); }

static err_t setup(struct netif *n) {
	n->name[0] = 'l';
	n->name[1] = 'b';
	n->mtu = 1500;
	n->output = put4;
	n->output_ip6 = put6;
	n->flags = NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) { return ERR_OK; }
static err_t on_connect(void *arg, struct tcp_pcb *pcb, err_t err) { connected++; return ERR_OK; }

static void add(struct netif *n, int side) {
	ip4_addr_t addr, mask, none = {0};
	ip6_addr_t addr6;
	char text[40];
	IP4_ADDR(&addr, 198, 18, 0, side);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	netif_add(n, &addr, &mask, &none, NULL, setup, ip_input);
	snprintf(text, sizeof text, "2001:db8::%d", side);
	ip6addr_aton(text, &addr6);
	netif_ip6_addr_set(n, 0, &addr6);
	netif_ip6_addr_set_state(n, 0, IP6_ADDR_PREFERRED);
	netif_set_up(n);
}

static int listen_on(u16_t port) {
	struct tcp_pcb *server = tcp_new_ip_type(IPADDR_TYPE_ANY);
	if (tcp_bind(server, IP_ANY_TYPE, port) != ERR_OK || (server = tcp_listen(server)) == NULL)
		return 0;
	tcp_accept(server, on_accept);
	return 1;
}

static int connect_to(const char *text, struct netif *from) {
	ip_addr_t to;
	ipaddr_aton(text, &to);
	struct tcp_pcb *client = tcp_new_ip_type(IP_GET_TYPE(&to));
	tcp_bind_netif(client, from);
	int before = connected;
	if (tcp_connect(client, &to, 25, on_connect) != ERR_OK)
		return 0;
	for (int i = 0; i < 1000 && connected == before; i++) {
		now++;
		sys_check_timeouts();
		while (received < sent)
			ip_input(wire[received++ % 16], from);
	}
	return connected > before;
}

int main(int argc, char **argv) {
	static struct netif client, server;
	uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101};
	if (argc != 2 || (capture = fopen(argv[1], "wb")) == NULL) {
		fprintf(stderr, "usage: lwip FILE.pcap\n");
		return 1;
	}
	fwrite(head, sizeof head, 1, capture);
	lwip_init();
	add(&server, 2);
	add(&client, 1);
	netif_set_default(&client);
	if (!listen_on(25) || !connect_to("198.18.0.2", &client) || !connect_to("2001:db8::2", &client)) {
		fprintf(stderr, "lwip: no connection\n");
		return 1;
	}
	return fclose(capture) != 0;
}
