//go:build ignore

// The kernel's part of the sensor. It has listeners keep the SYNs of their
// clients, and hands each one over when its connection is established.
//
// program.o is compiled from this file by "make bpf"; a test compiles it again
// and compares.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10
#define SOL_TCP 6
#define TCP_SAVE_SYN 27
#define TCP_LISTEN 10 // of skc_state; BPF_TCP_LISTEN is the same number

// What of the kernel's own types is read. Where these fields are, the loader
// finds out from the kernel's BTF.
#define KERNEL_TYPE __attribute__((preserve_access_index))

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} KERNEL_TYPE;

struct kernfs_node {
	__u64 id;
} KERNEL_TYPE;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
} KERNEL_TYPE;

struct sock_cgroup_data {
	struct cgroup *cgroup;
} KERNEL_TYPE;

struct sock_common {
	unsigned char skc_state;
	__u16 skc_num;
} KERNEL_TYPE;

struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
} KERNEL_TYPE;

struct tcp_sock {
} KERNEL_TYPE;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	__u32 uid;
} KERNEL_TYPE;

// The local ports that are looked at, in host order.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u8);
} ports SEC(".maps");

// The listeners that keep SYNs because of us. It goes with the last program,
// and a socket's entry with the socket.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} armed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); // 6,200 connections
} handovers SEC(".maps");

// An IPv4 and a TCP header at their longest take 120 bytes.
#define SYN_MAX 128

// One established connection, as event.go decodes it.
struct handover {
	__u8 client[16], server[16]; // IPv4 addresses are mapped into IPv6
	__u16 client_port, server_port;
	__s32 length; // of the SYN; 0 or less: it was not kept
	__u8 syn[SYN_MAX];
};

// Connections that found no room in handovers.
__u64 lost;

// Connections of other network namespaces, which are not handed over.
__u64 foreign;

// The network namespace whose sockets count, by its cookie; 0: those of all.
// Any user who may make a user namespace is root in a network namespace of
// their own, where they have any address they like.
const volatile __u64 netns;

// The cgroup whose listeners are armed by the iterator, with those below it.
const volatile __u64 cgroup_id;

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static void hand_over(struct bpf_sock_ops *ops)
{
	struct handover *h = bpf_ringbuf_reserve(&handovers, sizeof(*h), 0);

	if (!h) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	__u32 *client = (__u32 *)h->client, *server = (__u32 *)h->server;

	if (ops->family == AF_INET) {
		client[0] = client[1] = server[0] = server[1] = 0;
		client[2] = server[2] = bpf_htonl(0xffff);
		client[3] = ops->remote_ip4;
		server[3] = ops->local_ip4;
		// Else the compiler reads both branches' last field in one place,
		// by a pointer into ops, which the verifier refuses.
		asm volatile("" ::: "memory");
	} else {
		client[0] = ops->remote_ip6[0];
		client[1] = ops->remote_ip6[1];
		client[2] = ops->remote_ip6[2];
		client[3] = ops->remote_ip6[3];
		server[0] = ops->local_ip6[0];
		server[1] = ops->local_ip6[1];
		server[2] = ops->local_ip6[2];
		server[3] = ops->local_ip6[3];
	}
	h->client_port = bpf_ntohl(ops->remote_port);
	h->server_port = ops->local_port;
	h->length = bpf_getsockopt(ops, SOL_TCP, TCP_BPF_SYN_IP, h->syn, SYN_MAX);
	bpf_ringbuf_submit(h, 0);
}

static void listens(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	int on = 0;

	// A server that keeps SYNs itself goes on doing so.
	if (!sk || bpf_getsockopt(ops, SOL_TCP, TCP_SAVE_SYN, &on, sizeof(on)) || on)
		return;
	on = 1;
	if (bpf_setsockopt(ops, SOL_TCP, TCP_SAVE_SYN, &on, sizeof(on)) == 0)
		bpf_sk_storage_get(&armed, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

SEC("sockops")
int watch(struct bpf_sock_ops *ops)
{
	__u32 port = ops->local_port;

	if (ops->op != BPF_SOCK_OPS_TCP_LISTEN_CB && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (!bpf_map_lookup_elem(&ports, &port))
		return 1;
	if (netns && bpf_get_netns_cookie(ops) != netns) {
		if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
			__sync_fetch_and_add(&foreign, 1);
		return 1;
	}
	if (ops->op == BPF_SOCK_OPS_TCP_LISTEN_CB)
		listens(ops);
	else
		hand_over(ops);
	return 1;
}

// The depth of the tree of cgroups is the administrator's choice; more than
// this no process has.
#define MAX_DEPTH 64

// Whether a socket belongs to the cgroup, or to one below it.
static int inside(struct sock *sk)
{
	struct cgroup *cg = sk->sk_cgrp_data.cgroup;

	for (int i = 0; i < MAX_DEPTH && cg; i++) {
		if (cg->kn->id == cgroup_id)
			return 1;
		struct cgroup_subsys_state *parent = cg->self.parent;

		if (!parent)
			return 0;
		cg = parent->cgroup;
	}
	return 0;
}

// The listener that an iterator has come to, if it is one of ours to look at.
static struct tcp_sock *listener(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;

	if (!skc || skc->skc_state != TCP_LISTEN)
		return 0;
	__u32 port = skc->skc_num;

	if (!bpf_map_lookup_elem(&ports, &port))
		return 0;
	return bpf_skc_to_tcp_sock(skc);
}

// Arms the listeners that were there before us.
SEC("iter/tcp")
int arm(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = listener(ctx);
	int on = 0;

	if (!tp || !inside((struct sock *)tp))
		return 0;
	if (bpf_getsockopt(tp, SOL_TCP, TCP_SAVE_SYN, &on, sizeof(on)) || on)
		return 0;
	on = 1;
	if (bpf_setsockopt(tp, SOL_TCP, TCP_SAVE_SYN, &on, sizeof(on)) == 0)
		bpf_sk_storage_get(&armed, tp, 0, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

// Takes back what arm and watch have set.
SEC("iter/tcp")
int disarm(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = listener(ctx);
	int off = 0;

	if (!tp || !bpf_sk_storage_get(&armed, tp, 0, 0))
		return 0;
	bpf_setsockopt(tp, SOL_TCP, TCP_SAVE_SYN, &off, sizeof(off));
	bpf_sk_storage_delete(&armed, tp);
	return 0;
}
