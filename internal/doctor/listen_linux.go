package doctor

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/config"
	"github.com/mxprint/mxprint/internal/proc"
)

// mailServers looks, for source = "sockops", at who listens on the mail ports
// since when: listeners older than the sensor are found by an iterator of this
// network namespace, which takes CAP_PERFMON (docs/sockops.md).
func (e *examination) mailServers() {
	if e.Config.Sensor.Source != config.SourceSockops {
		return
	}
	sockets := map[string]int{} // inode: port
	for _, s := range proc.Sockets("tcp") {
		_, text, _ := net.SplitHostPort(s.Addr)
		if port, err := strconv.Atoi(text); err == nil && slices.Contains(e.Config.Sensor.Ports, port) {
			sockets[s.Inode] = port
		}
	}
	if len(sockets) == 0 {
		e.find("listeners on the ports "+strings.Trim(fmt.Sprint(e.Config.Sensor.Ports), "[]"), "start the mail server after the sensor; ss -ltn", "none is in this network namespace: the mail server does not run, or runs in a container")
		return
	}
	sensor := e.sensorPID()
	caps, err := proc.Capabilities(strconv.Itoa(sensor))
	if sensor == 0 || err == nil && caps&(1<<unix.CAP_PERFMON|1<<unix.CAP_SYS_ADMIN) != 0 {
		return
	}
	since := started(sensor)
	for inode, port := range sockets {
		if pid, _ := proc.Holder(map[string]bool{inode: true}); pid != 0 && started(pid) < since {
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
