// Package proc reads what Linux shows of processes and their sockets (proc(5)). On
// other systems there is nothing to be seen.
package proc

// Socket is a socket of this network namespace that keeps others from its address.
type Socket struct {
	Addr  string // the path of a unix socket, or ADDRESS:PORT
	Inode string
}
