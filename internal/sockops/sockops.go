// Package sockops is a sensor for mail servers that cannot be changed: the
// kernel keeps the SYN of each of their connections, and hands it over when
// the handshake is complete.
//
// A BPF program, attached to a cgroup (version 2), has every listener on the
// chosen ports in that cgroup and below keep SYNs (TCP_SAVE_SYN), and puts a
// connection's SYN into a ring when the connection is established: before the
// mail server accepts it, and so before it can ask. Nothing is sniffed, a SYN
// counts only with its complete handshake, and what the mail server sees of the
// connection is what the sensor has seen. Listeners on other ports, outside of
// the cgroup, or in other network namespaces are left alone: any user may be
// root in a network namespace of their own, and has any address there.
//
// Use it where the mail server runs on the same machine, in a container or
// not. For a Go server of your own package savedsyn does the same without a
// privilege. Where the packets only pass, and on other systems than Linux, use
// package capture.
//
// It needs Linux 5.15 with BTF (/sys/kernel/btf/vmlinux), 5.10 with
// Config.AnyNetNS, and the capabilities
// CAP_BPF and CAP_NET_ADMIN. Listeners that are older than the sensor are
// reached by an iterator over the sockets of the caller's network namespace
// (Linux 5.15), for which the kernel also wants CAP_PERFMON. Package
// documentation of the kernel: tcp(7), Documentation/bpf.
package sockops

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
)

var (
	// ErrCgroup says that a folder is not a cgroup of version 2, or that it does
	// not exist.
	ErrCgroup = errors.New("sockops: no cgroup of version 2")
	// ErrUnsupported says that this system is not Linux.
	ErrUnsupported = errors.New("sockops: only Linux hands the SYNs of other programs over")
)

// MaxPorts is how many ports a Source can look at.
const MaxPorts = 64

// Config says which connections to hand over. The zero value means those to
// the mail ports, of the whole machine.
type Config struct {
	// Ports are the local ports of the mail servers; 25, 465 and 587 when
	// empty.
	Ports []uint16

	// Cgroup is the folder of the cgroup whose sockets count, with all below
	// it; where cgroups are mounted when empty, which is every process of the
	// machine, or in a container with a cgroup namespace every process of the
	// container.
	Cgroup string

	// AnyNetNS has the sockets of all network namespaces count, and not only of
	// the one that Open is called in: for mail servers in containers. Cgroup
	// must then be one that no other user can start processes in.
	AnyNetNS bool

	// Missed is called by Read for a connection whose SYN the kernel has not
	// kept: it was answered with a SYN cookie, or came before the listener was
	// set to keep it. It may be nil.
	Missed func(client, server netip.AddrPort)

	// Log gets a line when something is less than it should be. Nil
	// discards it.
	Log *slog.Logger

	ringBytes uint32 // for tests; what program.c says when zero
}

// DefaultPorts are those of SMTP, of submission over TLS, and of submission.
func DefaultPorts() []uint16 { return []uint16{25, 465, 587} }

func (c Config) withDefaults() (Config, error) {
	if len(c.Ports) == 0 {
		c.Ports = DefaultPorts()
	}
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Missed == nil {
		c.Missed = func(netip.AddrPort, netip.AddrPort) {}
	}
	if len(c.Ports) > MaxPorts || slices.Contains(c.Ports, 0) {
		return c, fmt.Errorf("sockops: ports %v: want at most %d, each from 1 to 65535", c.Ports, MaxPorts)
	}
	return c, nil
}

// Stats counts what a Source has seen.
type Stats struct {
	Connections uint64 // handed over, with their SYN or without
	Missed      uint64 // of these, without
	Lost        uint64 // not handed over: they were not read in time
	Foreign     uint64 // not handed over: of other network namespaces
}
