package daemon

import (
	"log/slog"
	"syscall"
)

// filesBeside are the descriptors that other things need, pipes among them.
const filesBeside = 1000

// raiseFiles makes room for so many connections, as far as it may: Go has taken
// what the process may have, and root may have more.
func raiseFiles(connections uint64, log *slog.Logger) {
	need := connections + filesBeside
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: need, Max: max(need, limit.Max)}); err != nil {
		log.Warn("there are fewer descriptors than the connections need; raise LimitNOFILE of the unit, or lower proxy.max_connections",
			"need", need, "have", limit.Cur, "reason", err)
	}
}
