package daemon

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/internal/config"
)

// holder reports whether a socket listens on an address, and the process that
// has it, with its name; 0 where that is not to be seen (proc(5)).
func holder(network, addr string) (listens bool, pid int, name string) {
	sockets := make(map[string]bool) // "socket:[INODE]"
	if network == "unix" {
		unixInodes(addr, sockets)
	} else {
		for _, family := range []string{"", "6"} {
			inetInodes(network, family, addr, sockets)
		}
	}
	if len(sockets) == 0 {
		return false, 0, ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || !sockets[to] {
			continue
		}
		process := strings.Split(link, "/")[2]
		comm, err := os.ReadFile("/proc/" + process + "/comm")
		if pid, err2 := strconv.Atoi(process); err == nil && err2 == nil && pid != os.Getpid() {
			return true, pid, strings.TrimSpace(string(comm))
		}
	}
	return true, 0, ""
}

// lines calls f with the words of each line of a file, but the first line.
func lines(path string, f func(words []string)) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	for in.Scan(); in.Scan(); {
		f(strings.Fields(in.Text()))
	}
}

// unixInodes adds the listening sockets on a path.
func unixInodes(path string, to map[string]bool) {
	const listens = "00010000" // __SO_ACCEPTCON of include/uapi/linux/net.h
	lines("/proc/net/unix", func(w []string) {
		if len(w) == 8 && w[3] == listens && w[7] == path {
			to["socket:["+w[6]+"]"] = true
		}
	})
}

// inetInodes adds the sockets that keep others from an address.
func inetInodes(network, family, addr string, to map[string]bool) {
	want := config.Listener{Network: network, Addr: addr}
	const listens, bound = "0A", "07" // of TCP, of UDP
	lines("/proc/net/"+network+family, func(w []string) {
		if len(w) < 10 || w[3] != listens && w[3] != bound {
			return
		}
		if at, ok := procAddr(w[1]); ok && want.Overlaps(config.Listener{Network: network, Addr: at}) {
			to["socket:["+w[9]+"]"] = true
		}
	})
}

// procAddr reads an address as /proc/net/tcp has it: words of 32 bits in the
// order of the machine, in hex.
func procAddr(text string) (string, bool) {
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
