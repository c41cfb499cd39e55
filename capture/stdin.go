package capture

import (
	"os"
	"syscall"
	"time"
)

// standardInput returns standard input. Where it is a pipe, a Close ends a Read
// that waits, as it does for a named pipe: only then a signal can end a command
// whose input is silent.
func standardInput() *os.File {
	if os.Stdin.SetReadDeadline(time.Time{}) == nil {
		return os.Stdin // a Close ends its Read already
	}
	st, err := os.Stdin.Stat()
	if err != nil || st.Mode()&os.ModeNamedPipe == 0 || syscall.SetNonblock(0, true) != nil {
		return os.Stdin
	}
	return os.NewFile(0, os.Stdin.Name())
}
