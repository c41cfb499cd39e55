package doctor

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/config"
)

// mailServers looks, for source = "sockops", at who listens on the mail ports
// since when: listeners older than the sensor are found by an iterator of this
// network namespace, which takes CAP_PERFMON (docs/sockops.md).
func (e *examination) mailServers() {
	if e.Config.Sensor.Source != config.SourceSockops {
		return
	}
	sockets := map[string]int{} // inode: port
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for line := range strings.Lines(readFile(file)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" { // TCP_LISTEN
				continue
			}
			port, err := strconv.ParseUint(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 16)
			for _, p := range e.Config.Sensor.Ports {
				if err == nil && int(port) == int(p) {
					sockets[f[9]] = int(port)
				}
			}
		}
	}
	if len(sockets) == 0 {
		e.find("listeners on the ports "+strings.Trim(fmt.Sprint(e.Config.Sensor.Ports), "[]"), "start the mail server after the sensor; ss -ltn", "none is in this network namespace: the mail server does not run, or runs in a container")
		return
	}
	sensor := e.sensorPID()
	if sensor == 0 || hasCapability(sensor, unix.CAP_PERFMON) || hasCapability(sensor, unix.CAP_SYS_ADMIN) {
		return
	}
	since := started(sensor)
	for inode, port := range sockets {
		if pid := holder(inode); pid != 0 && started(pid) < since {
			e.find(fmt.Sprintf("port %d", port), "restart the mail server; or give the sensor's unit CAP_PERFMON (docs/sockops.md)",
				"process %d listens there since before the sensor, which without CAP_PERFMON does not see its connections", pid)
			return
		}
	}
}

// sensorPID is the process behind p0f's socket; 0 if unknown.
func (e *examination) sensorPID() int {
	nc, err := net.Dial("unix", e.Config.P0f.Socket)
	if err != nil {
		return 0
	}
	defer nc.Close()
	raw, err := nc.(*net.UnixConn).SyscallConn()
	pid := 0
	if err == nil {
		raw.Control(func(fd uintptr) {
			if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				pid = int(peer.Pid)
			}
		})
	}
	return pid
}

// hasCapability reports whether a process has one (proc(5), CapPrm).
func hasCapability(pid, capability int) bool {
	_, rest, _ := strings.Cut(readFile(fmt.Sprintf("/proc/%d/status", pid)), "CapPrm:")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && set>>capability&1 == 1
}

// started is when a process began, in clock ticks since boot (proc(5), field
// 22 of stat; the name before it may hold anything).
func started(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 20 {
		return 0
	}
	ticks, _ := strconv.ParseUint(string(f[19]), 10, 64)
	return ticks
}

// holder is a process that has a socket open; 0 if none is found.
func holder(inode string) int {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			return pid
		}
	}
	return 0
}
