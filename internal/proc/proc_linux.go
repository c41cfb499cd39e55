package proc

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets are those that listen on "unix" or "tcp", or are bound on "udp".
func Sockets(network string) (all []Socket) {
	if network == "unix" {
		const listens = "00010000" // __SO_ACCEPTCON of include/uapi/linux/net.h
		for w := range lines("unix") {
			if len(w) >= 8 && w[3] == listens {
				all = append(all, Socket{w[7], w[6]})
			}
		}
		return all
	}
	state := map[string]string{"tcp": "0A", "udp": "07"}[network] // TCP_LISTEN, TCP_CLOSE
	for _, table := range []string{network, network + "6"} {
		for w := range lines(table) {
			if len(w) < 10 || w[3] != state {
				continue
			}
			if addr, ok := address(w[1]); ok {
				all = append(all, Socket{addr, w[9]})
			}
		}
	}
	return all
}

// lines yields the words of each line of a table of /proc/net.
func lines(table string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		text, _ := os.ReadFile("/proc/net/" + table)
		for line := range strings.Lines(string(text)) {
			if !yield(strings.Fields(line)) {
				return
			}
		}
	}
}

// address reads an address as /proc/net/tcp has it: words of 32 bits in the
// order of the machine, in hex.
func address(text string) (string, bool) {
	host, port, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || len(host) != 8 && len(host) != 32 {
		return "", false
	}
	var ip net.IP
	for i := 0; i < len(host); i += 8 {
		word, err := strconv.ParseUint(host[i:i+8], 16, 32)
		if err != nil {
			return "", false
		}
		ip = binary.NativeEndian.AppendUint32(ip, uint32(word))
	}
	return net.JoinHostPort(ip.String(), fmt.Sprint(n)), true
}

// Holder is another process that has one of some sockets open, and its name; 0
// where none is to be seen.
func Holder(inodes map[string]bool) (pid int, name string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		inode, isSocket := strings.CutPrefix(to, "socket:[")
		if err != nil || !isSocket || !inodes[strings.TrimSuffix(inode, "]")] {
			continue
		}
		process := strings.Split(link, "/")[2]
		comm, err := os.ReadFile("/proc/" + process + "/comm")
		if pid, err2 := strconv.Atoi(process); err == nil && err2 == nil && pid != os.Getpid() {
			return pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}

// Locker is the process that has a file locked by flock(2), and its name; 0 where none
// is to be seen (proc_locks(5)).
func Locker(file os.FileInfo) (pid int, name string) {
	st, ok := file.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, ""
	}
	text, _ := os.ReadFile("/proc/locks")
	at := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(text)) {
		w := strings.Fields(line)
		if len(w) < 6 || w[1] != "FLOCK" || w[5] != at {
			continue
		}
		comm, err := os.ReadFile("/proc/" + w[4] + "/comm")
		if pid, err2 := strconv.Atoi(w[4]); err == nil && err2 == nil {
			return pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}

// Capabilities are those that a process may use, a bit each; process is its number,
// or "self".
func Capabilities(process string) (uint64, error) {
	text, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\nCapPrm:\t")
	hex, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseUint(hex, 16, 64)
}
